"""Submits, and what follows a submit whose answer was lost. Runs in threads: one claimed step per call.

The attempt is committed before anything is sent; whatever cannot be told apart afterwards becomes `unknown`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings

from accounts.encryption import KeyLost
from generations.lifecycle.moves import Stale
from generations.models import Attempt, Generation, Step
from generations.models.generations import OPEN, State, Status
from providers.errors import AuthorError, ProviderError
from providers.types import Accepted, Done

from . import calling, faults, history, inbox, lifecycle, specs, timing

logger = logging.getLogger("mediagen.submit")
MARGIN = 90.0  # a place at an account outlives the longest call by this much
FIND_GAP = 5.0
FINDS = 3  # times a provider must say it has no such job before we believe it
PERSON_SECONDS = 3600.0


def work(step: Step) -> None:
    """One due step of the default cluster (or a computation of the io cluster)."""
    generation = Generation.objects.select_related("capability__provider", "workspace", "pinned").get(pk=step.pk)
    attempt = (
        generation.attempts.filter(state__in=OPEN).select_related("account__provider", "capability__provider").first()
    )
    try:
        _route(step, generation, attempt)
    except Stale as news:
        logger.info("left alone: %s", news)


def _route(step: Step, generation: Generation, attempt: Attempt | None) -> None:
    if step.verb == "settle" and attempt is not None:
        _settle(step, generation, attempt)
    elif attempt is not None:
        _interrupted(step, generation, attempt)
    elif generation.cancel_requested_at:
        lifecycle.cancelled(step, generation, None)
    elif generation.status == Status.QUEUED:
        _submit(step, generation)


def _interrupted(step: Step, generation: Generation, attempt: Attempt) -> None:
    """The lease ran out while `sending`: a worker died. What was computed here can simply be done again."""
    if _local(attempt):
        lifecycle.end(
            step, generation, attempt, ProviderError("bad_reply", "The worker stopped; trying again.", charged=False)
        )
    else:
        lifecycle.lose(step, generation, attempt, "The worker stopped before the provider's answer was kept.")


def _local(attempt: Attempt) -> bool:
    return (
        attempt.generation.mode != "live" and attempt.account is None or attempt.capability.provider.kind == "builtin"
    )


def place_seconds(generation: Generation) -> float:
    """How long the account's place is kept for the call: always longer than the call may take."""
    return min(specs.of(generation.capability).timeout, settings.LONGEST_SUBMIT) + MARGIN


def _submit(step: Step, generation: Generation) -> None:
    attempt = lifecycle.begin(step, generation, seconds=place_seconds(generation))
    if attempt is not None:
        _send(step, generation, attempt)


def _send(step: Step, generation: Generation, attempt: Attempt) -> None:
    """Call, then apply. Anything unforeseen after the call may have begun is unknown, never a plain failure."""
    try:
        line = calling.open_line(attempt)
        with calling.job(line) as job:
            problems = list(line.adapter.check(job))
            if problems:
                raise ProviderError("invalid_input", f"{problems[0].field}: {problems[0].message}", charged=False)
            reply = calling.call(line, "submit", lambda: line.adapter.submit(job), pays=True)
            faults.at("after_answer")
            reply = inbox.kept(attempt.pk, reply)
    except ProviderError as error:
        _refused(step, generation, attempt, error)
    except (AuthorError, KeyLost) as error:
        code = "auth_failed" if isinstance(error, KeyLost) else "unsupported"
        lifecycle.end(step, generation, attempt, ProviderError(code, str(error), charged=False))
    except Exception:
        logger.exception("submit of %s broke", attempt.pk)
        _interrupted(step, generation, attempt)
    else:
        _apply(step, generation, attempt, reply)


def _refused(step: Step, generation: Generation, attempt: Attempt, error: ProviderError) -> None:
    if error.code == "unknown_outcome":
        lifecycle.lose(step, generation, attempt, error.message)
    else:
        lifecycle.end(step, generation, attempt, error)


def _apply(step: Step, generation: Generation, attempt: Attempt, reply: Accepted | Done) -> None:
    if isinstance(reply, Done):
        lifecycle.deliver(step, generation, attempt, reply)
        return
    polling = specs.of(attempt.capability).polling
    known = (
        reply.next_in
        if reply.next_in is not None
        else timing.first_look(polling, history.quantiles(attempt.capability))
    )
    lifecycle.accept(step, generation, attempt, reply, first_look=known, deadline=float(polling.get("deadline", 900)))


# -- unknown outcomes ---------------------------------------------------------------------------------------------------
def _settle(step: Step, generation: Generation, attempt: Attempt) -> None:
    """By the same key again where the provider honours it, by looking for it where it can be found; else a person."""
    for trait, way in WAYS.items():
        if specs.of(attempt.capability).traits.get(trait):
            way(step, generation, attempt)
            return
    note = "The provider's answer was lost and it cannot be asked. Waiting for its callback, or for your verdict."
    lifecycle.wait(step, generation, seconds=PERSON_SECONDS, note=note)


def _repeat(step: Step, generation: Generation, attempt: Attempt) -> None:
    """The same attempt under the same idempotency key: the provider answers for the first one."""
    _ask(step, generation, attempt, "submit")


def _find(step: Step, generation: Generation, attempt: Attempt) -> None:
    _ask(step, generation, attempt, "find")


WAYS: dict[str, Callable[[Step, Generation, Attempt], None]] = {"idempotency": _repeat, "find": _find}


def _ask(step: Step, generation: Generation, attempt: Attempt, verb: str) -> None:
    try:
        line = calling.open_line(attempt)
        with calling.job(line) as job:
            reply = calling.call(line, verb, lambda: getattr(line.adapter, verb)(job), pays=verb == "submit")
            reply = inbox.kept(attempt.pk, reply) if reply is not None else None
    except (ProviderError, AuthorError, KeyLost) as error:
        logger.info("settling %s: %s", attempt.pk, error)
        after = error.retry_after if isinstance(error, ProviderError) else None
        lifecycle.postpone(step, seconds=timing.after_error(step.errors + 1, after), errors=step.errors + 1)
        return
    if reply is None:
        _not_there(step, generation, attempt)
    else:
        _apply(step, generation, attempt, reply)


def _not_there(step: Step, generation: Generation, attempt: Attempt) -> None:
    """A list may lag behind: only a repeated no settles it, and then nothing was charged and it may be tried again."""
    Attempt.objects.filter(pk=attempt.pk, state=State.UNKNOWN).update(strikes=attempt.strikes + 1)
    if attempt.strikes + 1 < FINDS:
        lifecycle.postpone(step, seconds=FIND_GAP * (attempt.strikes + 1) / 2)
    else:
        lifecycle.end(
            step,
            generation,
            attempt,
            ProviderError("remote_not_found", "It never reached the provider.", charged=False),
        )
