"""What a person (or their program) may do to a generation at any time: cancel, pause, resume, remove."""

from __future__ import annotations

import time
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.errors import Refused
from generations import bells
from generations.models import Generation, Step
from generations.models.generations import Status

from .ending import fail
from .moves import due, move, now_micros, record


def cancel(generation: Generation, *, by: Any) -> Generation:
    """Waiting: at once. Under way: the wish is kept and the provider's verdict decides."""
    with transaction.atomic():
        step = own_step(generation)
        generation.refresh_from_db()
        if generation.status in (Status.QUEUED, Status.PAUSED):
            fence_off(step)
            fail(generation, code="cancelled", message="Cancelled.", status=Status.CANCELLED, data={"by": str(by)})
        elif generation.cancel_requested_at is None:
            _wish(generation, by)
    return generation


def _wish(generation: Generation, by: Any) -> None:
    now = timezone.now()
    Generation.objects.filter(pk=generation.pk, cancel_requested_at=None).update(cancel_requested_at=now)
    generation.cancel_requested_at = now
    record(generation, "cancel_requested", {"by": str(by)})
    Step.objects.filter(pk=generation.pk, verb="look", claimed=False).update(due_at=time.time())
    transaction.on_commit(lambda: bells.ring("poll"))


def pause(generation: Generation, *, by: Any) -> Generation:
    """Only what waits in the queue can wait longer."""
    with transaction.atomic():
        step = own_step(generation)
        generation.refresh_from_db()
        if generation.status != Status.QUEUED:
            raise Refused("conflict", "Only a queued generation can be paused; this one is under way.", status=409)
        fence_off(step)
        move(generation, [Status.QUEUED], Status.PAUSED, data={"by": str(by)})
    return generation


def resume(generation: Generation, *, by: Any) -> Generation:
    with transaction.atomic():
        step = own_step(generation)
        generation.refresh_from_db()
        if generation.status != Status.PAUSED:
            raise Refused("conflict", "Only a paused generation can be resumed.", status=409)
        move(generation, [Status.PAUSED], Status.QUEUED, data={"by": str(by)})
        due(step, "submit", step.cluster)
        bells.ring_on_commit(step.cluster)
    return generation


def remove(generation: Generation, *, by: Any) -> None:
    """Soft: hidden from every list; its money and story stay."""
    if not generation.is_terminal:
        raise Refused("conflict", "This is still under way. Cancel it first.", status=409)
    now = timezone.now()
    with transaction.atomic():
        Generation.objects.filter(pk=generation.pk, deleted_at=None).update(deleted_at=now)
        generation.assets.filter(deleted_at=None).update(deleted_at=now)
        record(generation, "removed", {"by": str(by)})


def own_step(generation: Generation) -> Step:
    step = Step.objects.select_for_update().filter(pk=generation.pk).first()
    if step is None:
        raise Refused("conflict", "This has already ended.", status=409)
    return step


def fence_off(step: Step) -> None:
    """Whoever holds the step's lease now loses it: their next write finds another number."""
    Step.objects.filter(pk=step.pk).update(
        lease_seq=step.lease_seq + 1, claimed=False, due_at=2**40, change_seq=now_micros()
    )
    step.lease_seq += 1
