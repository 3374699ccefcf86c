"""A person's verdict on an attempt whose outcome the provider never told; the money follows it."""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.errors import Refused
from generations import bells, quoting
from generations.models import Attempt, Generation, Step
from generations.models.generations import OPEN, State, Status
from generations.policy import MAX_RETRIES
from providers.errors import ProviderError
from providers.types import Accepted, Done, Usage

from . import trying
from .ending import fail
from .moves import Stale, due, move, move_attempt, now_micros, record
from .paying import close_attempt, settle_account
from .people import fence_off, own_step

VERDICTS = ("arrived", "never_arrived", "charged")


def settle(generation: Generation, *, verdict: str, by: Any, remote_id: str = "") -> Generation:
    """A person's verdict on an unknown (or expired) attempt; the money follows it."""
    if verdict not in VERDICTS:
        raise Refused(
            "invalid_fields", f"verdict: write one of {', '.join(VERDICTS)}.", fields={"verdict": ["Unknown verdict."]}
        )
    attempt = generation.attempts.filter(state__in=[State.UNKNOWN, State.EXPIRED]).order_by("-number").first()
    if attempt is None or attempt.charged != "unknown":
        raise Refused("conflict", "Nothing here waits for a verdict.", status=409)
    try:
        if attempt.state == State.EXPIRED:
            _expired(attempt, charged=verdict != "never_arrived", by=by)
        else:
            {"arrived": _arrived, "never_arrived": _never_arrived, "charged": _charged}[verdict](
                generation, attempt, by, remote_id
            )
    except Stale:
        raise Refused("conflict", "This was settled in the meantime.", status=409) from None
    except IntegrityError:
        taken = ["Another generation follows this job already."]
        raise Refused("invalid_fields", f"remote_id: {taken[0]}", fields={"remote_id": taken}) from None
    generation.refresh_from_db()
    return generation


def _arrived(generation: Generation, attempt: Attempt, by: Any, remote_id: str) -> None:
    """It is at the provider under this id: follow it."""
    if not remote_id:
        raise Refused(
            "invalid_fields",
            "remote_id: give the provider's id of the job.",
            fields={"remote_id": ["Needed with this verdict."]},
        )
    with transaction.atomic():
        step = _claim(generation)
        record(generation, "settled", {"verdict": "arrived", "by": str(by), **attempt.facts})
        _adopt(step, generation, attempt, remote_id)


def _never_arrived(generation: Generation, attempt: Attempt, by: Any, remote_id: str) -> None:
    """Nothing was made and nothing charged: the attempt is given up and the job tried again."""
    with transaction.atomic():
        step = _claim(generation, idle=True)
        record(generation, "settled", {"verdict": "never_arrived", "by": str(by), **attempt.facts})
        _abandon(
            step,
            generation,
            attempt,
            ProviderError("unavailable", "It never reached the provider.", charged=False),
            again=True,
        )


def _charged(generation: Generation, attempt: Attempt, by: Any, remote_id: str) -> None:
    """The provider took money but the result is lost: the account pays, the wallet does not."""
    with transaction.atomic():
        step = _claim(generation)
        record(generation, "settled", {"verdict": "charged", "by": str(by), **attempt.facts})
        error = ProviderError("result_gone", "The provider charged for it, but its result is lost.", charged=True)
        _abandon(step, generation, attempt, error, again=False)


def _claim(generation: Generation, *, idle: bool = False) -> Step:
    """Take the step from whoever works on it; `idle`: only when nobody is asking the provider at this moment."""
    step = own_step(generation)
    if idle and step.claimed and step.due_at > time.time():
        raise Refused("conflict", "The provider is being asked about it right now. Try again in a moment.", status=409)
    fence_off(step)
    generation.refresh_from_db()
    return step


def _adopt(
    step: Step, generation: Generation, attempt: Attempt, remote_id: str, memo: dict[str, Any] | None = None
) -> None:
    now = timezone.now()
    move_attempt(
        attempt, [State.UNKNOWN], State.ACCEPTED, accepted_at=now, remote_id=remote_id, remote_digest=trying.digest(remote_id),
        memo=memo or attempt.memo,
        strikes=0,
        deadline_at=attempt.deadline_at
        or now + timedelta(seconds=float(attempt.capability.spec.get("polling", {}).get("deadline", 900))),
    )  # fmt: skip
    move(generation, [Status.SUBMITTING], Status.RUNNING, data=attempt.facts, unknown=False, note="")
    due(step, "look", "poll", looks=0, errors=0, account_id=attempt.account_id)
    bells.ring_on_commit("poll")


def _abandon(step: Step, generation: Generation, attempt: Attempt, error: ProviderError, *, again: bool) -> None:
    close_attempt(attempt, State.ABANDONED, error, old=[State.UNKNOWN])  # a worker may have found it meanwhile
    if not again or generation.cancel_requested_at or generation.retries >= MAX_RETRIES:
        ended = (
            (Status.CANCELLED, "cancelled", "Cancelled.")
            if generation.cancel_requested_at
            else (Status.FAILED, error.code, error.message)
        )
        fail(generation, status=ended[0], code=ended[1], message=ended[2], retryable=True, data=attempt.facts)
    else:
        trying.queue_again(step, generation, error, generation.retries + 1)


def callback(attempt: Attempt, remote_id: str = "") -> None:
    """A verified callback brings the next look forward; it also tells where an unknown attempt went.

    One that comes after the end is kept as an event and flips nothing.
    """
    with transaction.atomic():
        if attempt.state not in OPEN:
            record(attempt.generation, "late_callback", attempt.facts)
            return
        record(attempt.generation, "callback", attempt.facts)
        if attempt.state == State.UNKNOWN and remote_id and _found(attempt, remote_id):
            return
        if attempt.state == State.SENDING and remote_id:
            _remember(attempt, remote_id)
        rows = Step.objects.filter(pk=attempt.generation_id, verb__in=["look", "settle"], claimed=False)
        rows.update(due_at=time.time(), change_seq=now_micros())
        for cluster in rows.values_list("cluster", flat=True):
            bells.ring_on_commit(cluster)


def _remember(attempt: Attempt, remote_id: str) -> None:
    """It calls back before its answer was kept: should that answer be lost, this is where the job can be found."""
    with contextlib.suppress(IntegrityError), transaction.atomic():
        sending = Attempt.objects.filter(pk=attempt.pk, state=State.SENDING, remote_id="")
        sending.update(remote_id=remote_id, remote_digest=trying.digest(remote_id))


def recover(attempt: Attempt, reply: Accepted | Done) -> bool:
    """An answer that came after its worker had lost the step: if the attempt is unknown since, this settles it."""
    generation = attempt.generation
    with transaction.atomic():
        if not Step.objects.select_for_update().filter(pk=generation.pk).exists():  # it has ended meanwhile
            return False
        step = _claim(generation)
        attempt.refresh_from_db()
        if attempt.state != State.UNKNOWN:
            return False
        record(generation, "recovered", attempt.facts)
        if isinstance(reply, Done):
            trying.deliver(step, generation, attempt, reply)
        else:
            _adopt(step, generation, attempt, reply.remote_id, dict(reply.memo))
    return True


def _found(attempt: Attempt, remote_id: str) -> bool:
    """False when the worker was quicker, or the id is another attempt's."""
    try:
        with transaction.atomic():
            _adopt(_claim(attempt.generation), attempt.generation, attempt, remote_id)
    except (Stale, IntegrityError):
        return False
    return True


def _expired(attempt: Attempt, *, charged: bool, by: Any) -> None:
    """The job had failed by our deadline; only the account's hold still waits for the provider's word."""
    with transaction.atomic():
        cost = quoting.account_cost(attempt, Usage()) if charged else 0
        waiting = Attempt.objects.filter(pk=attempt.pk, state=State.EXPIRED, charged="unknown")
        if not waiting.update(charged="yes" if charged else "no", cost_micros=cost):
            raise Stale(f"attempt {attempt.pk} has its verdict already")
        settle_account(attempt, charged=cost)
        record(attempt.generation, "settled", {"charged": charged, "by": str(by), **attempt.facts})
