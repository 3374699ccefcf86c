"""The studio: feed above, composer below; submitting, and the fragments that keep the feed live."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from accounts.errors import Refused
from accounts.models import Workspace
from generations import lifecycle, orders, presenting
from generations.models import Generation

from . import composing
from .cards import deck, with_days
from .composing import Draft
from .context import running_in, wallet_of, workspace_of
from .paging import newest_first

MOST_CARDS = 100
OFFERS = (
    ("text_to_image", "image", "A lighthouse at dusk", "A lighthouse at dusk, long exposure, soft rain on the lens"),
    ("text_to_video", "film", "Four seconds of rain", "Rain running down a window at night, city lights out of focus"),
    ("text_to_speech", "audio-lines", "A sentence read aloud", "The tide table says we have an hour and ten minutes."),
)


@login_required
@ensure_csrf_cookie
@require_GET
def studio(request: HttpRequest) -> HttpResponse:
    return _page(request, _draft(request))


@login_required
@require_GET
def feed(request: HttpRequest) -> HttpResponse:
    """The next page of cards, asked for when the end of the last one comes into view."""
    return render(request, "studio/_feed.html", _feed(workspace_of(request), request.GET.get("after", "")))


@login_required
@require_POST
def new(request: HttpRequest) -> HttpResponse:
    """Submit. A script gets the new card or a problem document; a plain form gets the studio again."""
    scripted = request.content_type == "application/json"
    workspace, body = workspace_of(request), {}
    try:
        body = composing.read_body(request)
        key = request.headers.get("Idempotency-Key") or request.POST.get("key") or None
        order = orders.read(body)
        made, _ = lifecycle.create(order=order, workspace=workspace, user=request.user, idempotency_key=key)
    except Refused as refused:
        if scripted:
            return problem(request, refused)
        return _page(request, composing.draft_from(body, workspace, refused), status=refused.status)
    if not scripted:
        return redirect("studio")
    return JsonResponse({"id": str(made.pk), "card_html": card_html(request, fresh(made.pk, workspace))}, status=202)


@login_required
@require_GET
def cards(request: HttpRequest) -> HttpResponse:
    """Many cards at once, for a page whose stream has failed: the row for patching, the html for replacing."""
    workspace = workspace_of(request)
    ids = _ids(request.GET.get("ids", ""))
    rows = list(Generation.objects.visible_in(workspace).with_parts().filter(pk__in=ids))
    shown = zip(presenting.generation_rows(rows), rows, strict=True)
    found = [{"row": row, "card_html": card_html(request, generation)} for row, generation in shown]
    return JsonResponse({"cards": found, "running": running_in(workspace), "wallet": wallet_of(workspace)})


def _page(request: HttpRequest, draft: Draft, *, status: int = 200) -> HttpResponse:
    workspace = workspace_of(request)
    page = {**_feed(workspace), **composing.context(draft, workspace), "offers": OFFERS}
    return render(request, "studio/studio.html", page, status=status)


def _feed(workspace: Workspace, after: str = "") -> dict[str, Any]:
    rows, more = newest_first(Generation.objects.visible_in(workspace).with_parts(), after)
    return {"rows": with_days(deck(rows), after=after), "next": more}


def _draft(request: HttpRequest) -> Draft:
    """What the address asks for (?again=, ?model=, ?operation=, ?prompt=, ?input=), else what was used last."""
    asked, workspace = request.GET, workspace_of(request)
    if again := asked.get("again"):
        row = Generation.objects.visible_in(workspace).with_parts().filter(pk__in=_ids(again)).first()
        if row:
            return composing.draft_of(row)
    if any(name in asked for name in ("model", "operation", "prompt", "input")):
        return _asked(asked, workspace)
    mine = Generation.objects.visible_in(workspace).filter(user=request.user.pk)
    last = mine.select_related("capability__provider").first()
    return Draft(model=last.capability.model_id, operation=last.operation) if last else Draft()


def _asked(asked: Any, workspace: Workspace) -> Draft:
    prompt, role = asked.get("prompt", ""), asked.get("role", "")
    inputs = [(role, asset) for asset in composing.visible(workspace, asked.getlist("input"))]
    return Draft(
        model=asked.get("model", ""),
        operation=asked.get("operation", ""),
        params={"prompt": prompt, "text": prompt} if prompt else {},
        inputs=inputs,
    )


def _ids(text: str) -> list[UUID]:
    """The ids in a comma-separated list; anything else in it is left out."""
    found = []
    for part in text.split(",")[:MOST_CARDS]:
        try:
            found.append(UUID(part))
        except ValueError:
            continue
    return found


def fresh(key: Any, workspace: Workspace) -> Generation:
    return Generation.objects.visible_in(workspace).with_parts().get(pk=key)


def card_html(request: HttpRequest, row: Generation) -> str:
    return render_to_string("studio/_card.html", {"card": deck([row])[0]}, request=request)


def problem(request: HttpRequest, refused: Refused) -> JsonResponse:
    body = {
        "type": "about:blank",
        "title": refused.code.replace("_", " ").capitalize(),
        "status": refused.status,
        "detail": refused.detail,
        "code": refused.code,
        "fields": refused.fields,
        "request_id": getattr(request, "request_id", ""),
    }
    return JsonResponse(body, status=refused.status, content_type="application/problem+json", headers=refused.headers)
