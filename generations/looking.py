"""One look at one job: what is asked, and what its answer means for the job."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction
from django.utils import timezone

from accounts import standing
from generations.lifecycle.moves import fence, now_micros, record
from generations.models import Attempt, Generation, Step
from generations.policy import POLICY, STRIKE_SECONDS, STRIKES
from providers.errors import ProviderError
from providers.types import Done, Handle, Status

from . import calling, cleaning, history, inbox, lifecycle, specs, timing

logger = logging.getLogger("mediagen.poll")
STRANGE = ("bad_reply", "remote_not_found")
ACCOUNT_TROUBLE = ("auth_failed", "session_expired", "session_revoked")
UNHEARD = ("unavailable", "rate_limited")  # the wish to cancel never reached anyone …
CANCEL_TRIES = 3  # … so it is told again this often


@dataclass(frozen=True, slots=True)
class Look:
    step: Step
    attempt: Attempt
    line: calling.Line
    verb: str  # decided once: time goes on while the answer is on its way

    @property
    def generation(self) -> Generation:
        return self.attempt.generation

    @property
    def handle(self) -> Handle:
        return calling.handle(self.line)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A look that changed nothing but when to come back and how far it is."""

    step: Step
    due_at: float
    progress: float | None
    position: int | None
    note: str
    errors: int = 0


def open_look(step: Step, attempt: Attempt) -> Look:
    return Look(step=step, attempt=attempt, line=calling.open_line(attempt), verb=verb_for(attempt))


def verb_for(attempt: Attempt) -> str:
    """Ask to cancel, once, when a person wants it, or when a look after the deadline found it still going (it may have
    finished while nobody looked); otherwise look."""
    late = _overdue(attempt) and attempt.late_look_at is not None
    wanted = attempt.generation.cancel_requested_at is not None or late
    return "cancel" if wanted and attempt.cancel_asked_at is None else "poll"


def _overdue(attempt: Attempt) -> bool:
    return attempt.deadline_at is not None and attempt.deadline_at <= timezone.now()


def apply(look: Look, word: Status | ProviderError | str) -> Waiting | None:
    if isinstance(word, ProviderError):
        return trouble(look.step, look.attempt, cleaning.error(word), verb=look.verb)
    if look.verb == "cancel":
        return _cancel_answer(look.step, look.attempt, str(word))
    if not isinstance(word, Status) or word.state not in VERDICTS:
        strange = ProviderError("bad_reply", f"The look brought {word!r:.80}, which is no state we know.")
        return trouble(look.step, look.attempt, strange)
    word = cleaning.answer(word)
    _learn(look.step, look.attempt, word)
    return VERDICTS[word.state](look, word)


def _learn(step: Step, attempt: Attempt, status: Status) -> None:
    """What an answer that makes sense tells beside its verdict."""
    memo = {} if status.memo is None or dict(status.memo) == attempt.memo else {"memo": dict(status.memo)}
    strikes = {"strikes": 0, "struck_at": None} if attempt.strikes else {}
    late = {"late_look_at": timezone.now()} if _overdue(attempt) and attempt.late_look_at is None else {}
    if memo or strikes or late:
        _write(step, attempt, **memo, **strikes, **late)


def _write(step: Step, attempt: Attempt, **fields: Any) -> None:
    """Fenced: a worker that lost the step writes nothing over its successor's news."""
    with transaction.atomic():
        fence(step)
        Attempt.objects.filter(pk=attempt.pk).update(**fields)


def _going(look: Look, status: Status) -> Waiting | None:
    attempt, step = look.attempt, look.step
    if _overdue(attempt) and attempt.cancel_asked_at:
        lifecycle.expire(step, look.generation, attempt)
        return None
    elapsed = (timezone.now() - (attempt.accepted_at or attempt.created_at)).total_seconds()
    seconds = timing.next_look(
        specs.of(attempt.capability).polling, history.quantiles(attempt.capability), looks=step.looks, elapsed=elapsed,
        watched=step.watched_until > time.time(), said=status.next_in,
    )  # fmt: skip
    progress = step.progress if status.progress is None else max(0.0, min(float(status.progress), 1.0))
    return Waiting(step, _in_time(attempt, seconds), progress, status.position, status.note or step.note)


def _in_time(attempt: Attempt, seconds: float) -> float:
    """When to look next: whatever was said, never long after the deadline."""
    now = time.time()
    left = attempt.deadline_at.timestamp() - now if attempt.deadline_at else seconds
    return now + min(seconds, max(left, timing.FLOOR))


def _succeeded(look: Look, status: Status) -> None:
    try:
        done = inbox.kept(look.attempt.pk, Done(outputs=status.outputs, usage=status.usage))
    except ProviderError as error:  # it is done, but what it sent cannot be read
        lifecycle.end(look.step, look.generation, look.attempt, error)
    else:
        lifecycle.deliver(look.step, look.generation, look.attempt, done)


def _failed(look: Look, status: Status) -> None:
    error = status.error or ProviderError(
        "remote_failed", status.note or "The provider reports a failure without a reason."
    )
    lifecycle.end(look.step, look.generation, look.attempt, error)


def _filtered(look: Look, status: Status) -> None:
    said = status.error
    message = said.message if said else "The provider's content rules refused this."
    error = ProviderError(
        "content_rejected",
        message,
        charged=said.charged if said else None,
        vendor_code=said.vendor_code if said else "",
    )
    lifecycle.end(look.step, look.generation, look.attempt, error)


def _cancelled(look: Look, status: Status) -> None:
    if look.generation.cancel_requested_at:
        lifecycle.cancelled(look.step, look.generation, look.attempt)
    elif _overdue(look.attempt) and look.attempt.cancel_asked_at:
        lifecycle.expire(look.step, look.generation, look.attempt, stopped=True)
    else:
        lifecycle.end(
            look.step,
            look.generation,
            look.attempt,
            ProviderError("remote_failed", "It was cancelled at the provider."),
        )


VERDICTS: dict[str, Callable[[Look, Status], Waiting | None]] = {
    "queued": _going,
    "running": _going,
    "succeeded": _succeeded,
    "failed": _failed,
    "filtered": _filtered,
    "cancelled": _cancelled,
}
CANCEL_NOTES = {
    "requested": "Cancel was asked for; waiting for the provider's word.",
    "too_late": "Too late to cancel: the result will be kept and charged.",
    "unsupported": "This provider cannot cancel: the result will be kept and charged.",
    "unheard": "The provider did not take the cancel: the result will be kept and charged.",
}


def _cancel_answer(step: Step, attempt: Attempt, verdict: str) -> Waiting | None:
    """confirmed ends it; anything else is noted, and looking goes on at once."""
    generation = attempt.generation
    if verdict == "confirmed" and generation.cancel_requested_at:
        lifecycle.cancelled(step, generation, attempt)
        return None
    with transaction.atomic():
        _write(step, attempt, cancel_asked_at=timezone.now())
        record(generation, "cancel_asked", {"verdict": verdict, **attempt.facts})
    note = CANCEL_NOTES.get(verdict, "") if generation.cancel_requested_at else "Past its deadline; looking once more."
    return Waiting(step, time.time() + timing.FLOOR, step.progress, step.position, note)


def _cancel_trouble(step: Step, attempt: Attempt, error: ProviderError) -> Waiting | None:
    """A broken line is no verdict: the wish is told again, a few times."""
    if error.code not in UNHEARD or step.errors >= CANCEL_TRIES:
        return _cancel_answer(step, attempt, "unsupported" if error.code == "unsupported" else "unheard")
    due = time.time() + timing.after_error(step.errors + 1, error.retry_after)
    return Waiting(step, due, step.progress, step.position, error.message[:400], errors=step.errors + 1)


def trouble(step: Step, attempt: Attempt, error: ProviderError, *, verb: str = "poll") -> Waiting | None:
    """Come back later. Only answers that keep making no sense end in `unknown`, and then someone is told."""
    generation = attempt.generation
    if verb == "cancel":
        return _cancel_trouble(step, attempt, error)
    if _overdue(attempt) and attempt.cancel_asked_at:
        lifecycle.expire(step, generation, attempt)
        return None
    if _overdue(attempt) and attempt.late_look_at is None:
        _write(step, attempt, late_look_at=timezone.now())
    if error.code in STRANGE and _struck_out(step, attempt):
        lifecycle.lose(step, generation, attempt, f"Its answers stopped making sense: {error.message}")
        return None
    if error.code in ACCOUNT_TROUBLE:
        standing.apply(POLICY[error.code].account, attempt, error)
    seconds = timing.after_error(step.errors + 1, error.retry_after)
    return Waiting(
        step, _in_time(attempt, seconds), step.progress, step.position, error.message[:400], errors=step.errors + 1
    )


def _struck_out(step: Step, attempt: Attempt) -> bool:
    first = attempt.struck_at or timezone.now()
    _write(step, attempt, strikes=attempt.strikes + 1, struck_at=first)
    return attempt.strikes + 1 >= STRIKES and timezone.now() - first >= timedelta(seconds=STRIKE_SECONDS)


def put_back(step: Step, *, seconds: float) -> None:
    Step.objects.filter(pk=step.pk, lease_seq=step.lease_seq).update(due_at=time.time() + seconds, claimed=False)


def write_back(waiting: Sequence[Waiting]) -> None:
    """All looks that only moved a clock, in one statement run; each fenced by its lease."""
    if not waiting:
        return
    sql = (
        f"UPDATE {Step._meta.db_table} SET due_at = %s, claimed = %s, looks = looks + 1, errors = %s, progress = %s, position = %s, "  # noqa: S608
        "note = %s, change_seq = %s WHERE generation_id = %s AND lease_seq = %s"
    )
    prepare = Step._meta.get_field("generation").target_field.get_db_prep_value
    rows = sorted(
        [
            (
                one.due_at,
                False,
                one.errors,
                one.progress,
                one.position,
                one.note[:400],
                _change(one),
                prepare(one.step.pk, connection),
                one.step.lease_seq,
            )
            for one in waiting
        ],
        key=lambda row: str(row[7]),
    )
    try:
        _execute(sql, rows)
    except (DataError, IntegrityError, ValueError):  # one row is not fit to be kept: the others must not wait for it
        logger.exception("writing looks back one by one")
        for row in rows:
            with contextlib.suppress(DataError, IntegrityError, ValueError):
                _execute(sql, [row])


def _execute(sql: str, rows: list[tuple[Any, ...]]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(sql, rows)


def _change(one: Waiting) -> int:
    """Only what a person can see counts as a change."""
    same = (one.progress, one.position, one.note) == (one.step.progress, one.step.position, one.step.note)
    return one.step.change_seq if same else now_micros()
