"""What workers report of an attempt. Every verb is fenced by the step's lease: a worker that lost it changes nothing.

1. begin: choose the account, take its slot, commit the attempt as `sending`. Only then may the request go out.
2. accept | deliver | end | lose: what came of it.
No new attempt begins while one is sending, accepted or unknown; the database keeps that rule too.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import leasing, ledger, standing
from accounts.errors import InsufficientCredits
from generations import bells, inbox, quoting
from generations.claims import LEASE
from generations.models import Attempt, Generation, Step
from generations.models.generations import OPEN, State, Status
from generations.policy import MAX_RETRIES, POLICY, Rule, backoff
from providers.errors import CODES, ProviderError
from providers.types import Accepted, Done

from . import moves
from .ending import fail
from .moves import due, fence, move, move_attempt, record
from .paying import close_attempt, settle_account


def begin(step: Step, generation: Generation, *, seconds: float) -> Attempt | None:
    """queued → submitting with a `sending` attempt, or None when it must wait or can never be served."""
    offers = quoting.offers(generation)
    try:
        return _choose_and_begin(step, generation, offers, seconds)
    except InsufficientCredits:  # another worker has just held what this account had left
        wait(step, generation, seconds=1, note="")
        return None


def _choose_and_begin(
    step: Step, generation: Generation, offers: list[leasing.Offer], seconds: float
) -> Attempt | None:
    with transaction.atomic():
        fence(step)
        choice = leasing.pick(offers, workspace=generation.workspace, pinned=generation.pinned_id)
        attempt_id = uuid.uuid4()
        if not choice.served:
            _cannot_serve(step, generation, choice)
        elif not leasing.take(choice, attempt_id=attempt_id, seconds=seconds):
            wait(step, generation, seconds=0.2, note="")
        else:
            return _begin(step, generation, choice, attempt_id, seconds)
    return None


def _begin(
    step: Step, generation: Generation, choice: leasing.Choice, attempt_id: uuid.UUID, seconds: float
) -> Attempt:
    offer = choice.offer
    if offer is None:
        raise moves.Stale("nothing was offered")
    now = timezone.now()
    attempt = Attempt.objects.create(
        id=attempt_id, generation=generation, number=generation.attempts.count() + 1, capability=offer.capability,
        account=choice.account, decision=choice.explain(), created_at=now, credit_type=offer.credit_type,
    )  # fmt: skip
    move(
        generation,
        [Status.QUEUED],
        Status.SUBMITTING,
        data=attempt.facts,
        note="",
        started_at=generation.started_at or now,
    )
    account_id = choice.account.pk if choice.account else None
    due(step, "submit", step.cluster, in_seconds=LEASE, claimed=True, account_id=account_id, note="")
    if choice.account:
        pool = ledger.account_pool(choice.account, offer.credit_type)
        ledger.hold(pool, amount=offer.cost, key=f"lease:{attempt.pk}", reference=attempt.pk)
    return attempt


def _cannot_serve(step: Step, generation: Generation, choice: leasing.Choice) -> None:
    """Wait with the reason on the card while something may serve later; fail only when nothing ever can."""
    overdue = generation.deadline_at is not None and generation.deadline_at <= timezone.now()
    if choice.never or overdue:
        fail(generation, code="no_account", message=choice.reason, retryable=True)
    else:
        wait(step, generation, seconds=choice.seconds, note=choice.reason)


def wait(step: Step, generation: Generation, *, seconds: float, note: str) -> None:
    """Stay queued; say why and look again then."""
    note = note[:400]
    with transaction.atomic():
        due(step, step.verb, step.cluster, in_seconds=seconds, note=note)
        if generation.note != note:
            Generation.objects.filter(pk=generation.pk).update(note=note)
            record(generation, "waiting", {"note": note, "seconds": round(seconds)})


def accept(
    step: Step, generation: Generation, attempt: Attempt, reply: Accepted, *, first_look: float, deadline: float
) -> None:
    """sending|unknown → accepted: the provider works on it; looks begin."""
    with transaction.atomic():
        fence(step)
        now = timezone.now()
        move_attempt(
            attempt, [State.SENDING, State.UNKNOWN], State.ACCEPTED, accepted_at=now, remote_id=reply.remote_id,
            remote_digest=digest(reply.remote_id), memo=dict(reply.memo) or attempt.memo, strikes=0,
            deadline_at=attempt.deadline_at or now + timedelta(seconds=deadline),
        )  # fmt: skip
        move(generation, [Status.SUBMITTING], Status.RUNNING, data=attempt.facts, unknown=False, note="")
        soon = 0 if _wished(generation) else min(first_look, deadline)
        due(step, "look", "poll", in_seconds=soon, looks=0, errors=0, account_id=attempt.account_id)
        leasing.extend(attempt.pk, seconds=deadline + 600)
        standing.served(attempt.account)
    bells.ring("poll")


def _wished(generation: Generation) -> bool:
    """Read now: the wish to cancel may have come while the call was under way."""
    generation.refresh_from_db(fields=["cancel_requested_at"])
    return generation.cancel_requested_at is not None


def digest(remote_id: str) -> str:
    return hashlib.sha256(remote_id.encode()).hexdigest() if remote_id else ""


def deliver(step: Step, generation: Generation, attempt: Attempt, done: Done) -> None:
    """The provider has finished: the account is charged, where the results are is saved; fetching comes second."""
    with transaction.atomic():
        fence(step)
        held_as = attempt.credit_type
        usage = quoting.counted(generation, done)
        price = quoting.account_price(attempt, usage)
        remote = {"remote_id": done.remote_id, "remote_digest": digest(done.remote_id)} if done.remote_id else {}
        memo = {"memo": dict(done.memo)} if done.memo else {}
        move_attempt(
            attempt, OPEN, State.SUCCEEDED, finished_at=timezone.now(), outputs=inbox.written(done.outputs),
            usage=quoting.usage_dict(usage), charged="no" if usage.charged is False else "yes",
            cost_micros=price.cost, credit_type=price.credit_type, **remote, **memo,
        )  # fmt: skip
        move(
            generation,
            [Status.SUBMITTING, Status.RUNNING],
            Status.FINALIZING,
            data=attempt.facts,
            unknown=False,
            note="",
        )
        due(step, "fetch", "io", errors=0, progress=1.0)
        leasing.free(attempt.pk)
        standing.served(attempt.account)
        settle_account(attempt, charged=price.cost, held_as=held_as)
    bells.ring("io")


def end(step: Step, generation: Generation, attempt: Attempt, error: ProviderError) -> None:
    """The attempt is over without a result: what follows is in the policy table."""
    rule = POLICY[error.code]
    if rule.next == "unknown":
        lose(step, generation, attempt, error.message)
        return
    with transaction.atomic():
        fence(step)
        state = State.FILTERED if rule.next == "filter" else State.FAILED
        standing.apply(rule.account, attempt, error)  # before the pool: begin locks account and pool in this order too
        close_attempt(attempt, state, error)
        _next(step, generation, attempt, error, rule)


def _next(step: Step, generation: Generation, attempt: Attempt, error: ProviderError, rule: Rule) -> None:
    if _wished(generation):
        fail(generation, code="cancelled", message="Cancelled.", status=Status.CANCELLED)
        return
    spent = generation.retries + rule.counts
    if rule.next == "filter":
        fail(generation, code=error.code, message=error.message, status=Status.FILTERED, data=attempt.facts)
    elif rule.next == "fail" or spent > MAX_RETRIES:
        fail(generation, code=error.code, message=error.message, retryable=CODES[error.code], data=attempt.facts)
    else:
        queue_again(step, generation, error, spent)


def queue_again(step: Step, generation: Generation, error: ProviderError, spent: int) -> None:
    """Back to the queue: a permitted automatic retry, soon enough, on whichever account may serve then."""
    seconds = _distance(step, spent) if step.account_id else error.retry_after or _distance(step, spent)
    if generation.deadline_at and timezone.now() + timedelta(seconds=seconds) > generation.deadline_at:
        fail(generation, code=error.code, message=error.message, retryable=True)
        return
    builtin = generation.mode == "mock" or generation.capability.provider.kind == "builtin"
    cluster = "io" if builtin else "default"
    move(
        generation, [Status.SUBMITTING, Status.RUNNING], Status.QUEUED, data={"code": error.code, "message": error.message},
        unknown=False, retries=spent, note=error.message[:400],
    )  # fmt: skip
    due(
        step,
        "submit",
        cluster,
        in_seconds=seconds,
        progress=None,
        position=None,
        note=error.message[:400],
        account_id=None,
    )


def _distance(step: Step, spent: int) -> float:
    """Another account may serve at once, and a cooling one is waited for; without any we keep our own distance."""
    if spent:
        return backoff(spent)
    tries = Attempt.objects.filter(generation_id=step.pk).count()
    return 0.5 if step.account_id else backoff(tries, ceiling=300)


def lose(step: Step, generation: Generation, attempt: Attempt, message: str) -> None:
    """The answer to a paying request was lost: unknown, the hold stands, nothing is sent again until it is settled."""
    with transaction.atomic():
        fence(step)
        move_attempt(
            attempt,
            [State.SENDING, State.ACCEPTED],
            State.UNKNOWN,
            error_code="unknown_outcome",
            error_message=message[:2000],
            strikes=0,
        )
        note = "The provider's answer was lost. Finding out whether it arrived."
        move(
            generation, [Status.SUBMITTING, Status.RUNNING], Status.SUBMITTING, data={"unknown": True, "message": message, **attempt.facts},
            unknown=True, note=note,
        )  # fmt: skip
        due(step, "settle", "default", in_seconds=1, errors=0, note=note)
        leasing.extend(attempt.pk, seconds=settings.MEDIAGEN_UNKNOWN_HOURS * 3600)
    bells.ring("default")


def postpone(step: Step, *, seconds: float, **fields: Any) -> None:
    """Same verb again later; progress and the like may ride along."""
    due(step, step.verb, step.cluster, in_seconds=seconds, **fields)


def cancelled(step: Step, generation: Generation, attempt: Attempt | None) -> None:
    """The provider confirmed the cancel (or nothing had been sent): the wish becomes the end."""
    with transaction.atomic():
        fence(step)
        if attempt:
            close_attempt(attempt, State.CANCELLED, ProviderError("remote_failed", "Cancelled."))
            Attempt.objects.filter(pk=attempt.pk).update(error_code="", error_message="")
        fail(generation, code="cancelled", message="Cancelled.", status=Status.CANCELLED)


def expire(step: Step, generation: Generation, attempt: Attempt, *, stopped: bool = False) -> None:
    """Our deadline passed after asking to cancel and one more look: the wallet is freed; the account's hold waits for
    the provider's verdict, unless it has told that the job `stopped`."""
    with transaction.atomic():
        fence(step)
        charged = "no" if stopped else "unknown"
        move_attempt(
            attempt, [State.ACCEPTED], State.EXPIRED, finished_at=timezone.now(), error_code="expired", charged=charged
        )
        leasing.free(attempt.pk)
        if stopped:
            settle_account(attempt, charged=0)
        fail(
            generation,
            code="expired",
            message="The provider did not finish before the deadline.",
            retryable=True,
            data=attempt.facts,
        )
