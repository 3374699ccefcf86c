"""The remote id of an asynchronous mock job: its whole plan, so that a look is a function of the id and the time.

`mk1.` and compact JSON in URL-safe base64; the same job always gives the same id, short enough for any column.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from providers.errors import ProviderError
from providers.types import Job, Usage

from . import words
from .make import kinds_of
from .wish import count_of, prompt_of, seconds_of

PREFIX = "mk1."
# Seconds in the queue, seconds of work; models not listed take QUICK (nothing at all to wait for, when immediate).
PACE: Mapping[str, tuple[float, float]] = {
    "video": (0.6, 2.4),
    "video-lossy": (0.6, 2.4),
    "video-slow": (3.0, 9.0),
    "image-slow": (2.0, 4.0),
}
QUICK, VIDEO = (0.2, 0.8), (0.6, 2.4)
QUEUE_AHEAD = 3  # jobs in front when the job enters the queue
FAILS_AT = 0.6
TOO_LATE_AT = 0.8
STANDSTILL = 0.7  # where a hanging job stops: early enough to be cancelled
NOTES = ((0.15, "reading the prompt"), (0.45, "laying out"), (0.85, "rendering"), (1.01, "encoding"))
# Operations billed by the second, with the length of an output when none is asked
BILLED_BY_SECOND: Mapping[str, float] = {
    **dict.fromkeys(("text_to_video", "image_to_video", "video_to_video", "extend_video"), 4.0),
    "text_to_music": 12.0,
    "text_to_sound": 3.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    operation: str
    model: str
    kinds: tuple[str, ...]
    created: float
    queue: float
    run: float
    words: Mapping[str, float]
    usage: Mapping[str, str]
    reference: str

    @property
    def id(self) -> str:
        said = [self.operation, self.model, list(self.kinds), self.created, self.queue, self.run]
        whole = [*said, dict(self.words), dict(self.usage), self.reference]
        text = json.dumps(whole, separators=(",", ":"), sort_keys=True)
        return PREFIX + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def progress(self, now: float) -> float | None:
        """None while queued, else 0..1; a hanging job never passes its standstill."""
        worked = now - self.created - self.queue
        if worked < 0:
            return None
        share = min(1.0, worked / self.run) if self.run else 1.0
        return min(share, STANDSTILL) if "hang" in self.words else share

    def ended(self, now: float) -> str:
        """The word that ended the job badly by now, or nothing."""
        named = next((name for name in self.words if words.WORDS[name].ends), "")
        return named if (self.progress(now) or 0.0) >= FAILS_AT else ""

    def position(self, now: float) -> int:
        """How many are ahead, counting down to one."""
        left = self.queue - max(0.0, now - self.created)
        return max(1, math.ceil(QUEUE_AHEAD * left / self.queue)) if self.queue else 1


def plan_for(job: Job) -> Plan:
    model = job.model.removeprefix("mock/")[:60]
    said = words.spoken(prompt_of(job.params))
    kinds = kinds_of(job, least=2 if "partial" in said else 1)
    queue, run = PACE.get(model, VIDEO if "video" in kinds else QUICK)
    if "slow" in said:
        queue, run = said["slow"] * 0.2, said["slow"] * 0.8
    return Plan(
        operation=job.operation,
        model=model,
        kinds=kinds,
        created=round(job.created, 3),
        queue=round(queue, 3),
        run=round(run, 3),
        words=said,
        usage=measured(job),
        reference=hashlib.sha256(job.reference.encode()).hexdigest()[:16],
    )


def measured(job: Job) -> dict[str, str]:
    """What will be used, in the measure such work is billed by; seconds of all outputs together."""
    count = count_of(job.params)
    if job.operation == "text_to_speech":
        return {"characters": str(len(prompt_of(job.params)))}
    usual = BILLED_BY_SECOND.get(job.operation)
    if usual is None:
        return {"count": str(count)}
    given = next((item.seconds for item in job.inputs if item.seconds and item.kind == "video"), None)
    long = seconds_of(job.params, default=given or usual if job.operation == "video_to_video" else usual, most=600)
    return {"seconds": f"{long * count:.3f}".rstrip("0").rstrip("."), "count": str(count)}


def usage(used: Mapping[str, str]) -> Usage:
    seconds, count, characters = used.get("seconds"), used.get("count"), used.get("characters")
    return Usage(
        seconds=Decimal(seconds) if seconds else None,
        count=int(count) if count else None,
        characters=int(characters) if characters else None,
    )


def read(remote_id: str) -> Plan:
    """The plan in an id; an id we never gave is a job we do not know."""
    try:
        text = base64.urlsafe_b64decode(remote_id.removeprefix(PREFIX) + "===")
        operation, model, kinds, created, queue, run, said, used, reference = json.loads(text)
        plan = Plan(
            operation=operation,
            model=model,
            kinds=tuple(kinds),
            created=float(created),
            queue=float(queue),
            run=float(run),
            words={name: float(value) for name, value in dict(said).items() if name in words.WORDS},
            usage={name: str(value) for name, value in dict(used).items()},
            reference=reference,
        )
        usage(plan.usage)
    except (ValueError, TypeError, InvalidOperation) as error:
        raise ProviderError("remote_not_found", "The mock knows no job by this id.") from error
    return plan


def note(progress: float) -> str:
    return next(text for upto, text in NOTES if progress < upto)
