"""What one may do to a generation from a page: each verb posts, calls its room, and answers the card or goes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from accounts.errors import Refused
from generations import lifecycle
from generations.models import Generation

from .context import workspace_of
from .studio import card_html, fresh, problem

VERBS: dict[str, Callable[..., Any]] = {
    "cancel": lifecycle.cancel,
    "pause": lifecycle.pause,
    "resume": lifecycle.resume,
    "retry": lifecycle.retry,
    "delete": lifecycle.remove,
}


@login_required
@require_GET
def one_card(request: HttpRequest, pk: UUID) -> HttpResponse:
    return HttpResponse(card_html(request, own(request, pk)))


@login_required
@require_POST
def act(request: HttpRequest, pk: UUID, verb: str) -> HttpResponse:
    row, scripted = own(request, pk), request.headers.get("Accept", "").startswith("application/json")
    try:
        result = VERBS[verb](row, by=request.user)
    except Refused as refused:
        if scripted:
            return problem(request, refused)
        messages.error(request, refused.detail)
        return _back(request)
    if scripted:
        return _card_of(request, row, result)
    if verb == "retry":
        return redirect("detail", pk=result.pk)
    return redirect("studio") if verb == "delete" else _back(request)


def _card_of(request: HttpRequest, row: Generation, result: Any) -> JsonResponse:
    """The card to show now: the same one, the new one of a retry, or none when it was removed."""
    if result is None:
        return JsonResponse({"id": str(row.pk), "card_html": None})
    return JsonResponse(
        {"id": str(result.pk), "card_html": card_html(request, fresh(result.pk, workspace_of(request)))}
    )


def own(request: HttpRequest, pk: UUID) -> Generation:
    """The workspace's own, or 404: a stranger cannot tell it exists."""
    return get_object_or_404(Generation.objects.visible_in(workspace_of(request)).with_parts(), pk=pk)


def _back(request: HttpRequest) -> HttpResponse:
    wanted = request.POST.get("next") or request.headers.get("Referer", "/")
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return redirect(wanted if safe else "/")
