"""What follows a submit whose answer was lost: nothing is sent again until the provider, or a person, has told.

A job the provider once named is looked at again; else the same idempotency key is repeated while it is surely remembered,
or the provider is searched; where none of this can be, a person decides.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts.encryption import KeyLost
from generations.models import Attempt, Generation, Step
from generations.models.generations import State
from providers.errors import AuthorError, ProviderError
from providers.types import Accepted, Done, Status

from . import calling, cleaning, inbox, lifecycle, looking, specs, timing

logger = logging.getLogger("mediagen.settle")
FINDS = 3  # times a provider must say it has no such job before we believe it
KEYED_HOURS = 20  # vendors keep idempotency keys for a day; after that a repeat could be a second job
PERSON_SECONDS = 3600.0
FINAL = ("content_rejected", "invalid_input", "input_unusable", "unsupported", "model_gone")
Keep = Callable[[Step, Generation, Attempt, Accepted | Done], None]


def settle(step: Step, generation: Generation, attempt: Attempt, keep: Keep) -> None:
    """`keep` applies an answer as after a submit."""
    traits = specs.of(attempt.capability).traits
    if attempt.remote_id:
        _revisit(step, generation, attempt)
    elif traits.get("idempotency") and timezone.now() - attempt.created_at < timedelta(hours=KEYED_HOURS):
        _ask(step, generation, attempt, "submit", keep)
    elif traits.get("find"):
        _ask(step, generation, attempt, "find", keep)
    else:
        note = "The provider's answer was lost and it cannot be asked. Waiting for its callback, or for your verdict."
        lifecycle.wait(step, generation, seconds=PERSON_SECONDS, note=note)


def _revisit(step: Step, generation: Generation, attempt: Attempt) -> None:
    """It was accepted once, so it is not sent again whatever is said now; when a look makes sense, following goes on."""
    try:
        line = calling.open_line(attempt)
        seen = calling.call(line, "poll", lambda: line.adapter.poll(calling.handle(line)))
        if not isinstance(seen, Status) or seen.state not in looking.VERDICTS:
            raise ProviderError("bad_reply", "The look brought no state we know.")
    except (ProviderError, AuthorError, KeyLost) as error:
        logger.info("revisiting %s: %s", attempt.pk, error)
        seconds = min(60 * 2**step.errors, PERSON_SECONDS)
        lifecycle.postpone(step, seconds=seconds, errors=step.errors + 1)
        return
    known = Accepted(remote_id=attempt.remote_id, memo=attempt.memo)
    deadline = float(specs.of(attempt.capability).polling.get("deadline", 900))
    lifecycle.accept(step, generation, attempt, known, first_look=0, deadline=deadline)


def _ask(step: Step, generation: Generation, attempt: Attempt, verb: str, keep: Keep) -> None:
    try:
        line = calling.open_line(attempt)
        with calling.job(line) as job:
            found = calling.call(line, verb, lambda: getattr(line.adapter, verb)(job), pays=verb == "submit")
            reply = None if found is None else inbox.kept(attempt.pk, cleaning.answer(found))
    except (ProviderError, AuthorError, KeyLost) as error:
        _unheard(step, generation, attempt, verb, error)
        return
    if reply is None:
        _not_there(step, generation, attempt)
    else:
        keep(step, generation, attempt, reply)


def _unheard(step: Step, generation: Generation, attempt: Attempt, verb: str, error: Exception) -> None:
    """A refusal under the same key is the answer to the first one; any other trouble only means asking later."""
    if verb == "submit" and isinstance(error, ProviderError) and error.code in FINAL:
        lifecycle.end(step, generation, attempt, cleaning.error(error))
        return
    logger.info("settling %s: %s", attempt.pk, error)
    after = error.retry_after if isinstance(error, ProviderError) else None
    lifecycle.postpone(step, seconds=timing.after_error(step.errors + 1, after), errors=step.errors + 1)


def _not_there(step: Step, generation: Generation, attempt: Attempt) -> None:
    """The call may still be under way and a list may lag: only a no that lasts settles it. Then nothing was charged."""
    Attempt.objects.filter(pk=attempt.pk, state=State.UNKNOWN).update(strikes=attempt.strikes + 1)
    lasting = attempt.created_at.timestamp() + specs.of(attempt.capability).timeout + settings.MEDIAGEN_FIND_SECONDS
    if attempt.strikes + 1 < FINDS or time.time() < lasting:
        lifecycle.postpone(step, seconds=settings.MEDIAGEN_FIND_SECONDS / FINDS)
    else:
        refusal = ProviderError("remote_not_found", "It never reached the provider.", charged=False)
        lifecycle.end(step, generation, attempt, refusal)
