"""Mock jobs followed from submit to file: immediate models answer with files, the others with an id that is their plan.

Makers live beside this file; magic words are data in words.py. Nothing is remembered between two calls.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from providers.adapter import BaseAdapter
from providers.errors import AuthorError, ProviderError
from providers.types import Accepted, AccountFacts, Callback, Done, Handle, Job, Output, Snapshot, Status

from . import plan as plans
from . import words
from .discovered import ROWS
from .make import kinds_of, mime_of, produce, wish_for
from .wish import prompt_of

SIGNATURE = "X-Mock-Signature"
BALANCES: Mapping[str, Decimal | None] = {"studio": Decimal(1000), "web": Decimal(500)}
CONCURRENCY = 8
QUEUED_MODELS = tuple(plans.PACE)
AT_ONCE = ("fail", "filter")  # an immediate model ends with these in its answer
LATER = ("slow", "hang", "vanish", "gone", "partial", "bad")  # these need a job to follow, whatever the model
LOST_FOR_GOOD = ("video-lossy",)
PAGE = "<!doctype html><title>Sign in</title><p>This is a page, not the file you asked for.\n"


class Adapter(BaseAdapter):
    def submit(self, job: Job) -> Accepted | Done:
        said = words.spoken(prompt_of(job.params))
        words.refuse(said, "submit", age=job.now - float(job.facts.get("asked_at", job.created)))
        if not _immediate(job) or any(name in said for name in LATER):
            return _accepted(job)
        ended = next((name for name in AT_ONCE if name in said), None)
        if ended:
            raise words.trouble(ended)
        return self._done(job)

    def _done(self, job: Job) -> Done:
        room = _room(job.scratch)
        outputs = tuple(_made(job, kind, index, room) for index, kind in enumerate(kinds_of(job)))
        return Done(outputs=outputs, usage=plans.usage(plans.measured(job)))

    def poll(self, handle: Handle) -> Status:
        return _look(handle.remote_id, handle.now)

    def fetch(self, handle: Handle, output: Output) -> Path:
        """Make the file now: the inputs are at hand, and the plan said what it is."""
        plan, room = plans.read(handle.remote_id), _room(handle.scratch)
        index = _index(output, plan)
        if "gone" in plan.words or ("partial" in plan.words and index > 0):
            raise words.trouble("gone" if "gone" in plan.words else "partial")
        if "bad" in plan.words:
            path = room / f"{index}.mp4"
            path.write_text(PAGE, encoding="utf-8")
            return path
        return produce(wish_for(handle, plan.kinds[index], index), room)[0]

    def cancel(self, handle: Handle) -> str:
        """Confirmed is our last word: the plan in the id cannot learn that nobody waits any more."""
        plan = plans.read(handle.remote_id)
        late = (plan.progress(handle.now) or 0.0) >= plans.TOO_LATE_AT or plan.ended(handle.now)
        return "too_late" if late else "confirmed"

    def find(self, job: Job) -> Accepted | None:
        if job.model.removeprefix("mock/") in LOST_FOR_GOOD:
            raise ProviderError("unsupported", "This mock model cannot look for lost jobs.")
        return None if "lost-never" in words.spoken(prompt_of(job.params)) else _accepted(job)

    def receive(self, callback: Callback) -> tuple[str, Status]:
        """A callback signed with the account's token (or "mock"): {"id": remote id}."""
        secret = callback.secrets.get("token") or "mock"
        signature = next((value for name, value in callback.headers.items() if name.lower() == SIGNATURE.lower()), "")
        expected = hmac.new(secret.encode(), callback.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.strip().lower().encode()):
            raise ProviderError("auth_failed", f"The callback's {SIGNATURE} does not fit its body.")
        remote_id = _called_id(callback.body)
        return remote_id, _look(remote_id, callback.now)

    def inspect(self, account: AccountFacts, secrets: Mapping[str, str], now: float) -> Snapshot:
        return Snapshot(
            ok=True,
            note="The mock is always there.",
            external_id=account.external_id or "mock",
            email=account.email,
            plan=account.plan or "mock",
            balances={**BALANCES, **account.balances},
            concurrency=CONCURRENCY,
        )

    def discover(self, account: AccountFacts, secrets: Mapping[str, str], now: float) -> list[dict[str, Any]]:
        return copy.deepcopy([*ROWS])


def _immediate(job: Job) -> bool:
    return job.model.removeprefix("mock/") not in QUEUED_MODELS and "video" not in kinds_of(job)


def _accepted(job: Job) -> Accepted:
    plan = plans.plan_for(job)
    return Accepted(
        remote_id=plan.id, state="queued" if plan.queue else "running", next_in=min(1.0, plan.queue + plan.run)
    )


def _made(job: Job, kind: str, index: int, room: Path) -> Output:
    path, facts = produce(wish_for(job, kind, index), room)
    return Output(kind=kind, file=path, index=index, mime=mime_of(path), name=f"mock-{path.name}", facts=facts)


def _look(remote_id: str, now: float) -> Status:
    plan = plans.read(remote_id)
    words.refuse(plan.words, "poll")
    progress = plan.progress(now)
    if progress is None:
        left = plan.created + plan.queue - now
        return Status(state="queued", position=plan.position(now), note="waiting in the queue", next_in=_wait(left))
    ended = plan.ended(now)
    if ended:
        return Status(state=words.WORDS[ended].ends, progress=plans.FAILS_AT, error=words.trouble(ended))
    if progress < 1:
        left = plan.run * (1 - progress)
        return Status(state="running", progress=round(progress, 4), note=plans.note(progress), next_in=_wait(left))
    return Status(state="succeeded", progress=1.0, outputs=_promised(plan), usage=plans.usage(plan.usage))


def _promised(plan: plans.Plan) -> tuple[Output, ...]:
    """Addresses only: `fetch` makes the files by their index."""
    return tuple(
        Output(kind=kind, url=f"mock:{index}", index=index, facts={"mocked": True})
        for index, kind in enumerate(plan.kinds)
    )


def _wait(left: float) -> float:
    return round(min(max(left / 2, 0.5), 5.0), 3)


def _index(output: Output, plan: plans.Plan) -> int:
    said = (output.url or "").removeprefix("mock:")
    if not said.isdecimal() or int(said) >= len(plan.kinds):
        raise ProviderError("result_gone", "The mock made no such result.")
    return int(said)


def _room(scratch: Path | None) -> Path:
    if scratch is None:
        raise AuthorError("The mock needs a scratch folder to make files in: give the job or handle its `scratch`.")
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch


def _called_id(body: bytes) -> str:
    try:
        return str(json.loads(body)["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise ProviderError("bad_reply", 'The callback\'s body lacks "id".') from error
