"""What changed since a reader last looked: the one query behind live streams, polling pages and resumed connections.

Two marks move forward: the id of the last event, and the last change of a step (progress makes no event). Commits are not
in the order of either, so both are read with an overlap and what was already seen is dropped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Max, Q
from django.utils import timezone

from . import presenting
from .models import Event, Generation, Step

BATCH = 500
OVERLAP_IDS = 500
OVERLAP_SECONDS = 5
WATCH_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One generation as it is now; `sequence` is where a reader who has this one may resume."""

    sequence: int
    workspace: int
    generation: str
    status: str
    data: str

    @property
    def sse(self) -> bytes:
        return f"id: {self.sequence}\nevent: generation\ndata: {self.data}\n\n".encode()


@dataclass(slots=True)
class Reader:
    """Keeps both marks; `read` answers the rows that changed in these workspaces since the last call."""

    event: int = 0
    change: int = 0
    _events: dict[int, float] = field(default_factory=dict)
    _steps: dict[UUID, int] = field(default_factory=dict)

    @classmethod
    def from_now(cls) -> Reader:
        """What is there now is known; elsewhere than on SQLite only what is committed late will still be told."""
        reader = cls(event=last_event(), change=_micros())
        reader._new_events(())
        return reader

    def read(self, workspaces: Collection[int]) -> list[Frame]:
        changed = self._new_events(workspaces) | self._new_steps(workspaces)
        return frames(changed, sequence=self.event)

    def _new_events(self, workspaces: Collection[int]) -> set[UUID]:
        rows = list(
            _events_after(self.event, timezone.now())
            .order_by("id")
            .values_list("id", "generation_id", "workspace_id")[:BATCH]
        )
        fresh = [row for row in rows if row[0] > self.event or row[0] not in self._events]
        now = time.monotonic()
        self._events = {pk: at for pk, at in self._events.items() if at > now - 2 * OVERLAP_SECONDS} | {
            row[0]: now for row in fresh
        }
        self.event = max([self.event, *(row[0] for row in rows)])
        return {row[1] for row in fresh if row[2] in workspaces}

    def _new_steps(self, workspaces: Collection[int]) -> set[UUID]:
        """All within the overlap are kept in mind, so a step is new when its mark differs from the remembered one."""
        late = self.change - OVERLAP_SECONDS * 1_000_000
        rows = Step.objects.filter(change_seq__gt=late, generation__workspace__in=workspaces).order_by("-change_seq")
        found = dict(rows.values_list("pk", "change_seq")[: BATCH * 4])
        fresh = {pk for pk, mark in found.items() if self._steps.get(pk) != mark}
        self._steps = found
        self.change = max([self.change, *found.values()])
        return fresh


def frames(generations: Collection[UUID | str], *, sequence: int) -> list[Frame]:
    """Their rows now; what was removed meanwhile is left out."""
    if not generations:
        return []
    rows = list(
        Generation.objects.filter(pk__in=generations, deleted_at__isnull=True).with_parts().order_by("created_at", "id")
    )
    return [
        Frame(
            sequence=sequence,
            workspace=row.workspace_id,
            generation=shown["id"],
            status=row.status,
            data=written(shown),
        )
        for row, shown in zip(rows, presenting.generation_rows(rows), strict=True)
    ]


def since(last: int, workspace: int) -> list[Frame]:
    """For a connection that resumes: every row of the workspace with an event after the one it saw last."""
    seen_at = Event.objects.filter(pk=last).values_list("at", flat=True).first() or timezone.now()
    found = (
        _events_after(last, seen_at)
        .filter(workspace=workspace)
        .order_by()
        .values("generation_id")
        .annotate(last=Max("id"))
    )
    changed = [row["generation_id"] for row in found.order_by("-last")[:BATCH]]
    return frames(changed, sequence=last_event())


def watch(workspaces: Collection[int]) -> None:
    """Someone looks at these workspaces: their live steps are looked after more often for a while."""
    now = time.time()
    live = Step.objects.filter(generation__workspace__in=workspaces, watched_until__lt=now + WATCH_SECONDS / 2)
    waiting = list(live.values_list("pk", flat=True)[: BATCH * 4])
    if waiting:
        Step.objects.filter(pk__in=waiting).update(watched_until=now + WATCH_SECONDS)


def last_event() -> int:
    return Event.objects.aggregate(last=Max("id"))["last"] or 0


def _events_after(last: int, seen_at: datetime) -> Any:
    """SQLite writes one after the other; elsewhere a smaller id may be committed after a larger one."""
    late = Q(id__gt=last - OVERLAP_IDS, id__lt=last, at__gt=seen_at - timedelta(seconds=OVERLAP_SECONDS))
    after = Q(id__gt=last)
    return Event.objects.filter(after if connection.vendor == "sqlite" else after | late)


def _micros() -> int:
    return time.time_ns() // 1000


def written(row: dict[str, Any]) -> str:
    return json.dumps(row, separators=(",", ":"), default=str)
