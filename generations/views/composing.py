"""The composer: which model, which fields, filled with what; and what it sends, as an order's body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from accounts.errors import Refused
from accounts.models import Workspace
from generations import forms, specs
from generations.models import Asset, Generation
from providers.catalogue_types import InputRole
from providers.models import Capability

from .cards import Piece, piece
from .context import workspace_of
from .models import KIND_NAMES, Pick, filed, label_of, offered, operations_offered, picks

PLACEHOLDERS = {
    "text_to_speech": "What should it say?",
    "text_to_music": "What should it sound like?",
    "text_to_sound": "What should it sound like?",
    "text_to_text": "What should it write?",
    "image_to_video": "What should happen?",
    "extend_video": "What should happen next?",
    "inpaint": "What should stand there instead?",
    "image_to_image": "What should change?",
    "video_to_video": "What should change?",
}
STARTERS = ("text_to_image", "text_to_video")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One input role: what lies in it, and whether another fits."""

    role: InputRole
    pieces: list[Piece]
    errors: list[str]

    @property
    def label(self) -> str:
        return self.role.label or self.role.role.replace("_", " ").capitalize()

    @property
    def accept(self) -> str:
        families = [f"{kind}/*" for kind in self.role.kinds if kind in ("image", "video", "audio")]
        return ",".join(self.role.mime or families)

    @property
    def room(self) -> bool:
        return self.role.max is None or len(self.pieces) < self.role.max

    @property
    def hint(self) -> str:
        kinds = " or ".join(KIND_NAMES.get(kind, kind).lower() for kind in self.role.kinds)
        return kinds if self.role.min else f"{kinds}, optional"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the composer holds before it is sent."""

    model: str = ""
    operation: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: list[tuple[str, Asset]] = field(default_factory=list)
    mode: str = ""
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    problem: str = ""


def context(draft: Draft, workspace: Workspace) -> dict[str, Any]:
    """Everything `composer/_composer.html` draws."""
    row = _chosen(draft)
    operations = {"operations": operations_offered(), "kind_names": KIND_NAMES, "problem": draft.problem}
    if row is None:
        return {"capability": None, **operations}
    spec = specs.of(row)
    fields = forms.fields_of(spec.schema, draft.params, draft.errors)
    prompt, chips, more = forms.arrange(fields)
    return {
        **operations,
        "capability": row,
        "pick": picks([row], workspace)[0],
        "operation": row.operation,
        "operation_label": label_of(row.operation),
        "kind": filed(row),
        "prompt": prompt,
        "placeholder": PLACEHOLDERS.get(row.operation, "What do you want to see?"),
        "chips": chips,
        "more": more,
        "more_wrong": any(item.errors for group in more.values() for item in group),
        "slots": _slots(spec.inputs, draft),
        "modes": _modes(row, draft.mode),
        "errors": dict(draft.errors),
    }


def _chosen(draft: Draft) -> Capability | None:
    """The capability asked for; else the same verb elsewhere; else something to start with."""
    slug, _, model = draft.model.partition("/")
    rows = offered().order_by("position", "pk")
    by_model = rows.filter(provider__slug=slug, model=model) if model else rows.none()
    found = by_model.filter(operation=draft.operation).first() or (by_model.first() if not draft.operation else None)
    return (
        found
        or _best(rows, draft.operation)
        or next((row for name in STARTERS if (row := _best(rows, name))), rows.first())
    )


def _best(rows: Any, operation: str) -> Capability | None:
    """Of several models for a verb: one that needs no account comes first, so that a first visit always works."""
    ready = rows.filter(operation=operation, lifecycle="available")
    return ready.filter(provider__kind="builtin").first() or ready.first() or rows.filter(operation=operation).first()


def _slots(roles: tuple[InputRole, ...], draft: Draft) -> list[Slot]:
    return [
        Slot(
            role=role,
            pieces=[piece(asset) for name, asset in draft.inputs if name == role.role][: role.max],
            errors=draft.errors.get(f"inputs.{role.role}", []),
        )
        for role in roles
    ]


def _modes(row: Capability, chosen: str) -> list[tuple[str, str, bool]]:
    """Only where there is something to choose: built-in work and the mock provider have one mode each."""
    if row.provider.kind == "builtin":
        return []
    words = (("", "As set"), ("live", "Live"), ("simulated", "Simulated"), ("mock", "Mock"))
    return [(key, word, key == chosen) for key, word in words]


def draft_of(generation: Generation) -> Draft:
    """Using one again: the composer filled with what this one was made from."""
    inputs = [(item.role, item.asset) for item in generation.inputs.all() if item.asset.deleted_at is None]
    return Draft(
        model=generation.capability.model_id, operation=generation.operation, params=generation.params, inputs=inputs
    )


def read_body(request: HttpRequest) -> dict[str, Any]:
    """The JSON body, or what a plain form sent, as the body of an order."""
    if request.content_type == "application/json":
        try:
            body = json.loads(request.body or b"{}")
        except ValueError:
            raise Refused("malformed", "The body is not JSON.", status=400) from None
        return body if isinstance(body, dict) else {}
    return _from_form(request)


def _from_form(request: HttpRequest) -> dict[str, Any]:
    post = request.POST
    draft = Draft(model=post.get("model", ""), operation=post.get("operation", ""))
    row = _chosen(draft)
    params = forms.read(specs.of(row).schema, post, post.getlist) if row else {}
    inputs = [
        {"role": name.removeprefix("inputs."), "asset": value}
        for name in post
        if name.startswith("inputs.")
        for value in post.getlist(name)
        if value
    ]
    return {
        "model": draft.model,
        "operation": draft.operation or None,
        "params": params,
        "inputs": inputs,
        "mode": post.get("mode") or None,
    }


def draft_from(body: Mapping[str, Any], workspace: Workspace, refused: Refused | None = None) -> Draft:
    """The composer again, as it was left, with what was wrong."""
    params, inputs = body.get("params"), body.get("inputs")
    return Draft(
        model=str(body.get("model") or ""),
        operation=str(body.get("operation") or ""),
        params=params if isinstance(params, dict) else {},
        inputs=_assets(inputs if isinstance(inputs, list) else [], workspace),
        mode=str(body.get("mode") or ""),
        errors=refused.fields if refused else {},
        problem=refused.detail if refused else "",
    )


def _assets(inputs: list[Any], workspace: Workspace) -> list[tuple[str, Asset]]:
    wanted = [(str(item.get("role")), str(item.get("asset"))) for item in inputs if isinstance(item, dict)]
    rows = {str(row.pk): row for row in visible(workspace, [key for _, key in wanted])}
    return [(role, rows[key]) for role, key in wanted if key in rows]


def visible(workspace: Workspace, keys: list[str]) -> list[Asset]:
    """Those of the ids that are assets of this workspace; anything else is left out."""
    ids = []
    for key in keys:
        try:
            ids.append(UUID(key))
        except ValueError:
            continue
    return list(Asset.objects.visible_in(workspace).select_related("thumbnail").filter(pk__in=ids))


@login_required
@require_POST
def composer(request: HttpRequest) -> HttpResponse:
    """The composer redrawn for another model or operation, keeping what still fits."""
    workspace = workspace_of(request)
    draft = draft_from(read_body(request), workspace)
    return render(request, "composer/_composer.html", context(draft, workspace))


@login_required
@require_GET
def picker(request: HttpRequest) -> HttpResponse:
    """The list in the model popover, fetched when it opens."""
    operation, chosen = request.GET.get("operation", ""), request.GET.get("model", "")
    rows: list[Pick] = picks(
        offered().filter(operation=operation).order_by("position", "provider__name"), workspace_of(request)
    )
    return render(request, "composer/_picker.html", {"picks": rows, "chosen": chosen})
