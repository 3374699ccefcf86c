"""The two primitives: move a generation, move an attempt. Nothing else in the project writes status or state."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from generations.models import Attempt, Event, Generation, Step

logger = logging.getLogger("mediagen.lifecycle")


class Stale(Exception):
    """The step was claimed by someone else since, or the row has moved on: this worker's news is void."""


def now_micros() -> int:
    return time.time_ns() // 1000


def move(
    generation: Generation, old: Iterable[str], new: str, *, data: dict[str, Any] | None = None, **fields: Any
) -> None:
    """old → new and its event; Stale when the row is in none of the old statuses any more."""
    rows = Generation.objects.filter(pk=generation.pk, status__in=list(old))
    if not rows.update(status=new, **fields):
        raise Stale(f"{generation.pk} is not {'/'.join(old)} any more")
    before, generation.status = generation.status, new
    for name, value in fields.items():
        setattr(generation, name, value)
    record(generation, "status", {"from": before, **(data or {})})
    logger.info("generation=%s from=%s to=%s", generation.pk, before, new)


def move_attempt(attempt: Attempt, old: Iterable[str], new: str, **fields: Any) -> None:
    rows = Attempt.objects.filter(pk=attempt.pk, state__in=list(old))
    if not rows.update(state=new, **fields):
        raise Stale(f"attempt {attempt.pk} is not {'/'.join(old)} any more")
    attempt.state = new
    for name, value in fields.items():
        setattr(attempt, name, value)


def record(generation: Generation, kind: str, data: dict[str, Any] | None = None) -> None:
    """One line of the generation's story."""
    Event.objects.create(
        workspace_id=generation.workspace_id,
        generation=generation,
        kind=kind,
        status=generation.status,
        data=data or {},
        at=timezone.now(),
    )


def due(step: Step, verb: str, cluster: str, *, in_seconds: float = 0, **fields: Any) -> None:
    """Set what happens next and free the claim; fenced, so a worker that lost its lease changes nothing."""
    changes = {
        "verb": verb,
        "cluster": cluster,
        "due_at": time.time() + in_seconds,
        "claimed": False,
        "change_seq": now_micros(),
        **fields,
    }
    if not Step.objects.filter(pk=step.pk, lease_seq=step.lease_seq).update(**changes):
        raise Stale(f"the step of {step.pk} was claimed by someone else")
    for name, value in changes.items():
        setattr(step, name, value)


def fence(step: Step) -> None:
    """Take the step's row for this transaction and make sure it is still ours."""
    if not Step.objects.filter(pk=step.pk, lease_seq=step.lease_seq).update(change_seq=now_micros()):
        raise Stale(f"the step of {step.pk} was claimed by someone else")
