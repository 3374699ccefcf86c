"""Who is here and how they like it: the one-time link, the workspace switch, the theme."""

from __future__ import annotations

from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import keys, people

from .context import COOKIE, THEMES

YEAR = 365 * 24 * 3600


@never_cache
@require_http_methods(["GET", "POST"])
def signin(request: HttpRequest, token: str) -> HttpResponse:
    """A person arrives by a link. A GET signs in at once unless it is only a preview of the link."""
    if request.method == "GET" and request.headers.get("Sec-Purpose", "").startswith("prefetch"):
        return HttpResponse(status=204)
    user = keys.redeem(token)
    if user is None:
        return render(request, "signin_failed.html", status=410)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("studio")


@login_required
@require_POST
def workspace(request: HttpRequest) -> HttpResponse:
    """Work in another of one's workspaces from now on; an unknown slug changes nothing."""
    slug = request.POST.get("slug", "")
    if any(one.slug == slug for one in people.workspaces_of(request.user)):
        request.session[people.SESSION_KEY] = slug
    return redirect("studio")


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    wanted = request.POST.get("theme", "system")
    response = redirect(_back(request))
    response.set_cookie(
        COOKIE, wanted if wanted in THEMES else "system", max_age=YEAR, samesite="Lax", secure=request.is_secure()
    )
    return response


def _back(request: HttpRequest) -> str:
    here = request.headers.get("Referer", "/")
    safe = url_has_allowed_host_and_scheme(here, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return here if safe else "/"
