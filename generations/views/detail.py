"""One generation: what was made, from what, how it went, what it cost; and the sandboxed page that shows a 3D model."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from csp.constants import SELF, UNSAFE_INLINE, WASM_UNSAFE_EVAL
from csp.decorators import csp_replace
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_GET

from accounts.money import to_micros
from generations import specs
from generations.models import Asset, Attempt, Event, Generation

from .acting import own
from .cards import deck, piece, pieces_of
from .context import workspace_of
from .models import label_of

SAID = ("prompt", "text", "lyrics", "script")
EVENT_WORDS = {
    "cancel_requested": "Cancel asked for",
    "removed": "Deleted",
    "attempt": "Attempt",
    "note": "Note",
    "derived": "Preview made",
    "late": "Late answer",
}
STATUS_WORDS = {
    "queued": "Waiting in the queue",
    "submitting": "Sent to the provider",
    "running": "Accepted, running",
    "finalizing": "Fetching the result",
    "succeeded": "Done",
}
TOLD = ("account", "reason", "message", "note", "code", "verdict")
MODEL_FRAME = {
    "script-src": [SELF, WASM_UNSAFE_EVAL, "blob:"],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "blob:", "data:"],
    "connect-src": [SELF, "blob:", "data:"],
    "frame-ancestors": [SELF],
}


@login_required
@require_GET
def detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = own(request, pk)
    pieces = pieces_of(row)
    chosen = next(
        (one for one in pieces if str(one.asset.pk) == request.GET.get("output")), pieces[0] if pieces else None
    )
    return render(
        request,
        "detail/detail.html",
        {
            "generation": row,
            "card": deck([row])[0],
            "pieces": pieces,
            "shown": chosen,
            "operation_label": label_of(row.operation),
            "said": next((str(row.params[name]) for name in SAID if row.params.get(name)), ""),
            "facts": _facts(row),
            "inputs": [(item.role, piece(item.asset)) for item in row.inputs.all()],
            "receipt": _receipt(row),
            "events": _events(row),
            "attempts": _attempts(row),
            "neighbours": _neighbours(row),
        },
    )


def _facts(row: Generation) -> list[tuple[str, Any]]:
    """Parameters as they were sent, under the names the form gives them."""
    properties = specs.of(row.capability).schema.get("properties", {})
    return [
        (properties.get(name, {}).get("title") or name.replace("_", " ").capitalize(), value)
        for name, value in row.params.items()
        if name not in SAID and value not in (None, "", {}, [])
    ]


def _receipt(row: Generation) -> dict[str, Any]:
    """The lines charged, or until then the lines quoted."""
    source = row.receipt or row.quote or {}
    lines = [(line["label"], to_micros(line["amount"])) for line in source.get("lines", [])]
    return {
        "lines": lines,
        "note": source.get("note", ""),
        "measured": source.get("measured", {}),
        "final": bool(row.receipt),
    }


def _events(row: Generation) -> list[dict[str, Any]]:
    return [
        {"at": event.at, "word": _event_word(event), "more": _event_more(event)}
        for event in Event.objects.filter(generation=row)
    ]


def _event_word(event: Event) -> str:
    if event.data.get("unknown"):
        return "The answer was lost; finding out"
    if event.kind == "status":
        return STATUS_WORDS.get(event.status, event.status.capitalize())
    return EVENT_WORDS.get(event.kind, event.kind.replace("_", " ").capitalize())


def _event_more(event: Event) -> str:
    told = [str(event.data[name]) for name in TOLD if event.data.get(name)]
    return " · ".join(told)[:300]


def _attempts(row: Generation) -> list[dict[str, Any]]:
    rows = Attempt.objects.filter(generation=row).select_related("account", "capability__provider").order_by("number")
    return [
        {"attempt": attempt, "reason": attempt.decision.get("reason", ""), "passed": _passed(attempt)}
        for attempt in rows
    ]


def _passed(attempt: Attempt) -> list[str]:
    """Accounts that were not chosen, each with its reason."""
    models = attempt.decision.get("models", {})
    excluded = [item for model in models.values() if isinstance(model, dict) for item in model.get("excluded", [])]
    return [
        f"{item.get('label', 'An account')}: {item['reason']}"
        for item in excluded
        if isinstance(item, dict) and item.get("reason")
    ]


def _neighbours(row: Generation) -> dict[str, Any]:
    """The ids beside it in the feed: newer for K, older for J."""
    rows = Generation.objects.visible_in(row.workspace)
    at = row.created_at
    newer = rows.filter(Q(created_at__gt=at) | Q(created_at=at, pk__gt=row.pk)).order_by("created_at", "pk")
    older = rows.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=row.pk)).order_by("-created_at", "-pk")
    return {"newer": newer.values_list("pk", flat=True).first(), "older": older.values_list("pk", flat=True).first()}


@login_required
@require_GET
@xframe_options_exempt
@csp_replace(MODEL_FRAME)  # type: ignore[arg-type]  # the library knows no view with arguments
def model_frame(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The page inside the sandboxed frame: it is handed the model's bytes by its parent and can ask us for nothing."""
    asset = get_object_or_404(Asset.objects.visible_in(workspace_of(request)), pk=pk, kind="model3d")
    return render(request, "detail/model_frame.html", {"asset": asset})
