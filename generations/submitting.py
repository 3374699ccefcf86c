"""Submits, and their answers. Runs in threads: one claimed step per call.

The attempt is committed before anything is sent; whatever cannot be told apart afterwards becomes `unknown`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection

from accounts.encryption import KeyLost
from generations.lifecycle.moves import Stale
from generations.models import Attempt, Generation, Step
from generations.models.generations import OPEN, Status
from providers.errors import AuthorError, ProviderError
from providers.models import Capability
from providers.types import Accepted, Done

from . import calling, cleaning, faults, history, inbox, lifecycle, settling, specs, timing

logger = logging.getLogger("mediagen.submit")
MARGIN = 90.0  # a place at an account outlives the longest call by this much
PAUSES = (0.2, 1, 3, 8)  # seconds between tries to keep what the provider said
T = TypeVar("T")


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
        settling.settle(step, generation, attempt, _keep)
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
    ours = attempt.generation.mode != "live" and attempt.account is None
    return ours or attempt.capability.provider.kind == "builtin"


def place_seconds(generation: Generation) -> float:
    """How long the account's place is kept for the call: always longer than the call may take, at whichever model."""
    fallbacks = Capability.objects.filter(pk__in=[row["capability"] for row in generation.fallbacks])
    longest = max(specs.of(row).timeout for row in (generation.capability, *fallbacks))
    return min(longest, settings.LONGEST_SUBMIT) + MARGIN


def _submit(step: Step, generation: Generation) -> None:
    attempt = lifecycle.begin(step, generation, seconds=place_seconds(generation))
    if attempt is not None:
        _send(step, generation, attempt)


def _send(step: Step, generation: Generation, attempt: Attempt) -> None:
    """Prepare, call, keep the answer. What fails before the call was not sent; what fails after it may have arrived."""
    began = False
    try:
        line = calling.open_line(attempt)
        with calling.job(line) as job:
            problems = list(line.adapter.check(job))
            if problems:
                raise ProviderError("invalid_input", f"{problems[0].field}: {problems[0].message}", charged=False)
            began = True
            answer: Any = calling.call(line, "submit", lambda: line.adapter.submit(job), pays=True)
            faults.at("after_answer")
            reply: Accepted | Done = steadily(lambda: inbox.kept(attempt.pk, cleaning.answer(answer)), OSError)
    except ProviderError as error:
        told = cleaning.error(error)
        steadily(lambda: _refused(step, generation, attempt, told))
    except (AuthorError, KeyLost) as error:
        code = "auth_failed" if isinstance(error, KeyLost) else "unsupported"
        refusal = ProviderError(code, str(error), charged=False)
        steadily(lambda: lifecycle.end(step, generation, attempt, refusal))
    except Exception as error:
        logger.exception("submit of %s broke", attempt.pk)
        if began:
            steadily(lambda: _interrupted(step, generation, attempt))
        else:
            refusal = ProviderError("bad_reply", f"It could not be prepared ({type(error).__name__}).", charged=False)
            steadily(lambda: lifecycle.end(step, generation, attempt, refusal))
    else:
        _keep(step, generation, attempt, reply)


def _keep(step: Step, generation: Generation, attempt: Attempt, reply: Accepted | Done) -> None:
    """The provider's word must not be lost: not to a busy database, not to a lease that ran out meanwhile."""
    try:
        steadily(lambda: _apply(step, generation, attempt, reply))
    except Stale:
        if not steadily(lambda: lifecycle.recover(attempt, reply)):
            raise
    except IntegrityError:
        logger.exception("the answer to %s cannot be kept", attempt.pk)
        refusal = ProviderError("bad_reply", "The provider answered with a job another one follows.", charged=False)
        lifecycle.end(step, generation, attempt, refusal)


def steadily(work: Callable[[], T], *more: type[Exception]) -> T:
    """Again after a moment when the database (or what `more` names) was away; the lease is renewed meanwhile."""
    healing: tuple[type[Exception], ...] = (OperationalError, InterfaceError, *more)
    for pause in PAUSES:
        try:
            return work()
        except healing:
            logger.warning("trying again in %s s", pause, exc_info=True)
            connection.close()
            time.sleep(pause)
    return work()


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
    known = reply.next_in
    if known is None:
        known = timing.first_look(polling, history.quantiles(attempt.capability))
    lifecycle.accept(step, generation, attempt, reply, first_look=known, deadline=float(polling.get("deadline", 900)))
