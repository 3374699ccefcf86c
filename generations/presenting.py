"""Generations, assets and models as the programming interface and the live stream show them.

Lists are made in one go (`generation_rows`): what would be a query per row is one query per list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.urls import reverse

from accounts.availability import Availability, Rates
from accounts.models import Workspace
from accounts.money import show
from providers import presenting
from providers.models import Capability
from providers.videos import video_row as _video_row

from . import quoting
from .models import Asset, Attempt, Event, Generation, Step
from .models.generations import LIVE, Status

QUEUE_SEEN = 1000  # places counted from the front; further back is only "in the queue"
TEXT_MOST = 64 * 1024


def generation_row(generation: Generation) -> dict[str, Any]:
    return generation_rows([generation])[0]


def generation_rows(generations: Iterable[Generation]) -> list[dict[str, Any]]:
    rows = list(generations)
    places = _places() if any(row.status == Status.QUEUED for row in rows) else {}
    tries = dict(
        Attempt.objects.filter(generation__in=[row.pk for row in rows])
        .order_by()
        .values_list("generation_id")
        .annotate(Count("id"))
    )
    return [_generation(row, places.get(row.pk), tries.get(row.pk, 0)) for row in rows]


def _generation(row: Generation, place: int | None, tries: int) -> dict[str, Any]:
    step = _step(row)
    return {
        "id": str(row.pk),
        "object": "generation",
        "status": row.status,
        "progress": _progress(row, step),
        "note": (step.note if step and step.note else row.note) if row.status in LIVE else row.note,
        "unknown": row.unknown,
        "queue": {"position": place} if row.status == Status.QUEUED else None,
        "expected_at": moment(_expected(row)),
        "model": row.capability.model_id,
        "provider": row.capability.provider.slug,
        "operation": row.operation,
        "mode": row.mode,
        "params": row.params,
        "inputs": [{"role": item.role, "asset": str(item.asset_id)} for item in row.inputs.all()],
        "metadata": row.metadata,
        "outputs": [output_row(asset) for asset in _outputs(row)],
        "cost": {
            "unit": "credit",
            "quoted": show(row.quoted_micros),
            "held": show(row.held_micros),
            "charged": show(row.charged_micros),
        },
        "error": _error(row),
        "attempts": tries,
        "retry_of": str(row.retry_of_id) if row.retry_of_id else None,
        "created_at": moment(row.created_at),
        "started_at": moment(row.started_at),
        "finished_at": moment(row.finished_at),
    }


def _step(row: Generation) -> Step | None:
    """Ended generations have none."""
    return getattr(row, "step", None) if row.status in LIVE else None


def _progress(row: Generation, step: Step | None) -> float | None:
    if row.status == Status.SUCCEEDED:
        return 1.0
    if row.status in (Status.QUEUED, Status.PAUSED):
        return 0.0
    return step.progress if step else None


def _expected(row: Generation) -> datetime | None:
    if row.status not in LIVE or row.status == Status.PAUSED or not row.expected_seconds:
        return None
    return (row.started_at or row.created_at) + timedelta(seconds=row.expected_seconds)


def _outputs(row: Generation) -> list[Asset]:
    kept = [asset for asset in row.assets.all() if asset.deleted_at is None]
    return sorted(kept, key=lambda asset: (asset.role != "output", asset.role, asset.position))


def _error(row: Generation) -> dict[str, Any] | None:
    return (
        {"code": row.error_code, "message": row.error_message, "retryable": row.retryable} if row.error_code else None
    )


def _places() -> dict[Any, int]:
    """Place in the queue by id, from 1; the order is the one workers claim in."""
    waiting = Step.objects.filter(verb="submit", generation__status=Status.QUEUED).order_by(
        "-priority", "generation__created_at"
    )
    return {pk: place for place, pk in enumerate(waiting.values_list("pk", flat=True)[:QUEUE_SEEN], start=1)}


# -- assets -----------------------------------------------------------------------------------------------------------
def output_row(asset: Asset) -> dict[str, Any]:
    return {
        "id": str(asset.pk),
        "kind": asset.kind,
        "mime": asset.mime,
        "bytes": asset.blob.bytes,
        "sha256": asset.blob.sha256,
        "width": asset.width,
        "height": asset.height,
        "seconds": asset.seconds,
        "text": None if asset.text is None else asset.text[:TEXT_MOST],
        "facts": asset.facts,
        "url": reverse("api:asset-content", args=[asset.pk]),
        "thumbnail_url": reverse("api:asset-thumbnail", args=[asset.pk]) if asset.thumbnail_id else None,
    }


def asset_row(asset: Asset) -> dict[str, Any]:
    return {
        **output_row(asset),
        "object": "asset",
        "name": asset.name,
        "role": asset.role,
        "origin": asset.origin,
        "favourite": asset.favourite,
        "generation": str(asset.generation_id) if asset.generation_id else None,
        "created_at": moment(asset.created_at),
    }


def event_row(event: Event) -> dict[str, Any]:
    return {
        "id": event.pk,
        "object": "event",
        "generation": str(event.generation_id),
        "kind": event.kind,
        "status": event.status or None,
        "data": event.data,
        "at": moment(event.at),
    }


def moment(value: datetime | None) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value else None


# -- models -----------------------------------------------------------------------------------------------------------
class Catalogue:
    """Rows of models and providers for one workspace; availability and rates are loaded once."""

    def __init__(self, workspace: Workspace) -> None:
        self._availability = Availability(workspace)
        self._rates = Rates()

    def model_row(self, capabilities: Sequence[Capability]) -> dict[str, Any]:
        return presenting.model_row(capabilities, self._availability.capability, self._typical)

    def provider_row(self, provider: Any, capabilities: Sequence[Capability]) -> dict[str, Any]:
        return presenting.provider_row(provider, capabilities, self._availability.provider)

    def video_row(self, provider: Any, capabilities: Sequence[Capability]) -> dict[str, Any]:
        return _video_row(provider, capabilities, self._why, self._typical)

    def _why(self, row: Any) -> str:
        return self._availability.capability(row) if isinstance(row, Capability) else self._availability.provider(row)

    def _typical(self, row: Capability) -> str:
        credit_type = str(row.effective_spec.get("price", {}).get("credit", ""))
        return show(quoting.typical(row, rate=self._rates.of(row.provider, credit_type)).amount) or ""


def model_row(capabilities: Sequence[Capability], workspace: Workspace) -> dict[str, Any]:
    return Catalogue(workspace).model_row(capabilities)


def reason(provider: Any, workspace: Workspace) -> str | None:
    """Why this workspace cannot use a provider now; for several, ask one `Availability`."""
    return Availability(workspace).provider(provider) or None
