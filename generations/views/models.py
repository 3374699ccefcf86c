"""What can be chosen: capabilities offered today with price, pace, life-cycle and why one cannot serve; the Models page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.availability import Availability, Rates
from accounts.models import Workspace
from generations import history, quoting, specs
from providers.models import Capability
from providers.operations import OPERATIONS

from .context import workspace_of

KINDS = ("image", "video", "audio", "text", "model3d")
KIND_NAMES = {"image": "Image", "video": "Video", "audio": "Audio", "text": "Text", "model3d": "3D"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """One row of the picker."""

    capability: Capability
    label: str
    operation: str
    price: int
    exact: bool
    expected: float | None
    reason: str
    lifecycle: str
    retires_on: date | None
    instead: str

    @property
    def model_id(self) -> str:
        return self.capability.model_id


@login_required
def models(request: HttpRequest) -> HttpResponse:
    """Every provider that is on, with what it offers and what is retiring."""
    rows = offered().order_by("provider__name", "position", "model", "operation")
    groups: dict[Any, list[Pick]] = {}
    for row in picks(rows, workspace_of(request)):
        groups.setdefault(row.capability.provider, []).append(row)
    kind = request.GET.get("kind", "")
    shown = {
        provider: [row for row in rows if kind in ("", filed(row.capability))] for provider, rows in groups.items()
    }
    context = {"groups": [(p, rows) for p, rows in shown.items() if rows], "kind": kind, "kinds": KIND_NAMES.items()}
    return render(request, "models.html", context)


def offered() -> Any:
    return Capability.objects.offered().select_related("provider")


def picks(rows: Iterable[Capability], workspace: Workspace) -> list[Pick]:
    """Available ones first, in the catalogues' order."""
    able, rates = Availability(workspace), Rates()
    made = [_pick(row, able.capability(row), rates) for row in rows]
    return sorted(made, key=lambda row: (bool(row.reason), row.lifecycle != "available"))


def _pick(row: Capability, reason: str, rates: Rates) -> Pick:
    spec = specs.of(row)
    price = quoting.typical(row, rate=rates.of(row.provider, str(spec.price.get("credit", ""))))
    return Pick(
        capability=row,
        label=row.label_override or row.label,
        operation=operation_label(row),
        price=price.amount,
        exact=price.exact,
        expected=history.expected(row),
        reason=reason,
        lifecycle=row.lifecycle,
        retires_on=row.retires_on,
        instead=spec.lifecycle.get("replaced_by") or "",
    )


def operations_offered() -> list[tuple[str, list[tuple[str, str]]]]:
    """(kind, [(operation, label)]): the verbs somebody offers today, filed by medium."""
    names = list(offered().order_by("operation").values_list("operation", flat=True).distinct())
    known = [name for name in OPERATIONS if name in names]
    extra = [name for name in names if name not in OPERATIONS]
    groups: dict[str, list[tuple[str, str]]] = {kind: [] for kind in KINDS}
    for name in known:
        groups.setdefault(OPERATIONS[name].kind, []).append((name, OPERATIONS[name].label))
    for name in extra:
        groups.setdefault(_kind_of(name), []).append((name, label_of(name)))
    return [(kind, rows) for kind, rows in groups.items() if rows]


def filed(row: Capability) -> str:
    known = OPERATIONS.get(row.operation)
    return known.kind if known else row.output_kind


def _kind_of(operation: str) -> str:
    return offered().filter(operation=operation).values_list("output_kind", flat=True).first() or "data"


def label_of(operation: str) -> str:
    """Its name, wherever somebody offers it."""
    if operation in OPERATIONS:
        return OPERATIONS[operation].label
    row = offered().filter(operation=operation).first()
    return operation_label(row) if row else _spelt(operation)


def operation_label(row: Capability) -> str:
    """A verb of a provider's own is named in that provider's catalogue."""
    if row.operation in OPERATIONS:
        return OPERATIONS[row.operation].label
    own = row.provider.catalogue.get("operations", [])
    return next((item["label"] for item in own if item.get("name") == row.operation), _spelt(row.operation))


def _spelt(operation: str) -> str:
    return operation.replace("_", " ").capitalize()
