"""Keys for programs: made here, shown once, revoked here."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import keys as rooms
from accounts.errors import Refused
from accounts.models import ApiKey

from .context import workspace_of

SCOPES = (
    ("read", "Read", "models, generations, files, wallet"),
    ("submit", "Submit", "make, cancel and retry generations"),
    ("accounts", "Accounts", "connect and change provider accounts"),
)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    page: dict[str, object] = {"scopes": SCOPES, "chosen": ["read", "submit"], "name": "", "secret": "", "fields": {}}
    status = 200
    if request.method == "POST":
        page |= {"name": request.POST.get("name", ""), "chosen": request.POST.getlist("scopes")}
        allowed = [scope for scope in request.POST.getlist("scopes") if scope in {key for key, *_ in SCOPES}]
        try:
            key, secret = rooms.issue(workspace=workspace, user=request.user, name=str(page["name"]), scopes=allowed)
            page |= {"secret": secret, "made": key, "name": ""}
        except Refused as refused:
            page |= {"fields": refused.fields}
            status = refused.status
    mine = ApiKey.objects.filter(workspace=workspace).select_related("user")
    page["keys"] = mine.filter(revoked_at=None)
    page["gone"] = mine.exclude(revoked_at=None)[:20]
    return render(request, "keys.html", page, status=status)


@login_required
@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    key = get_object_or_404(ApiKey, pk=pk, workspace=workspace_of(request))
    rooms.revoke(key)
    messages.success(request, f"{key.name} is revoked. Programs using it are refused from now on.")
    return redirect("keys")
