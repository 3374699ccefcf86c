"""The due-queue: claims what is due, looks at many at once on one event loop, hands what it saw to the lifecycle.

A look's verdict changes a job; a look's trouble never does before the deadline. Looks that changed nothing are written
back in one batch. The database is only touched from one helper thread, so the loop never waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import connection

from generations.lifecycle.moves import Stale
from generations.models import Attempt, Step
from generations.models.generations import State
from providers import rates
from providers.errors import AuthorError, ProviderError
from providers.http.aiohttp_driver import Async
from providers.types import Status

from . import claims, looking, simulating

logger = logging.getLogger("mediagen.poll")
T = TypeVar("T")
BATCH = 500
AT_ONCE = 500
PER_ACCOUNT = 64
LOOK_SECONDS = 20.0
LEASE = max(claims.LEASE, LOOK_SECONDS + 10)
TICK = 0.2

Seen = tuple[looking.Look, Status | ProviderError | str]


class Poller:
    """One slice of following: make it, `run` it until then, forget it."""

    def __init__(self, *, stop: Callable[[], bool], stamp: Callable[[], None]) -> None:
        self.stop, self.stamp = stop, stamp
        self.database = ThreadPoolExecutor(1, thread_name_prefix="poll-db")
        self.seen: list[Seen] = []
        self.places = asyncio.Semaphore(AT_ONCE)
        self.crowd: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(PER_ACCOUNT))
        self.flying: dict[asyncio.Task[None], UUID | None] = {}
        self.left: list[Step] = []
        self.closing = False

    async def run(self, until: float) -> None:
        async with Async(private_hosts=settings.MEDIAGEN_PRIVATE_HOSTS) as driver:
            try:
                await self._follow(driver, until)
            finally:
                self.closing = True
                if self.flying:
                    await asyncio.wait(self.flying)
                await self._flush()
                await self._db(lambda: connection.close())
                self.database.shutdown()

    async def _follow(self, driver: Async, until: float) -> None:
        while not self.stop() and time.time() < until:
            await self._db(self.stamp)
            looks = await self._claim()
            for look in looks:
                task = asyncio.create_task(self._look(driver, look))
                self.flying[task] = look.attempt.account_id
                task.add_done_callback(self.flying.pop)
            await self._flush()
            if not looks and not self.flying and not await self._db(partial(_soon, until)):
                return
            await asyncio.sleep(0 if len(looks) == BATCH else TICK)

    async def _claim(self) -> list[looking.Look]:
        """More while there is room; an account that answers slowly takes up its own places and nobody else's."""
        counts = Counter(self.flying.values())
        if sum(min(count, PER_ACCOUNT) for count in counts.values()) >= AT_ONCE:
            return []
        crowded = [account for account, count in counts.items() if account and count >= PER_ACCOUNT]
        return await self._db(partial(claim, without=crowded))

    async def _look(self, driver: Async, look: looking.Look) -> None:
        async with self.crowd[look.line.rate_key], self.places:
            if self.closing or time.time() >= look.step.due_at:  # no time left for it, or its lease has run out
                self.left.append(look.step)
            else:
                word = await ask(driver, look)  # first: the list is another one by the time the answer is here
                self.seen.append((look, word))

    async def _flush(self) -> None:
        seen, self.seen = self.seen, []
        left, self.left = self.left, []
        if seen or left:
            await self._db(partial(_keep, seen, left))

    async def _db(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.database, work)


def _soon(until: float) -> bool:
    """Is anything due before the slice ends? Then it is worth staying."""
    due = claims.next_due("poll")
    return due is not None and due < until


def _keep(seen: Sequence[Seen], left: Sequence[Step]) -> None:
    apply(seen)
    for step in left:
        looking.put_back(step, seconds=0)


def claim(*, without: Collection[UUID] = ()) -> list[looking.Look]:
    """Due looks with all they need; those beyond an account's rate are put back for its next token."""
    steps = {
        step.pk: step for step in claims.take("poll", limit=BATCH, seconds=LEASE, verbs=("look",), without=without)
    }
    if not steps:
        return []
    attempts = Attempt.objects.filter(generation_id__in=steps, state=State.ACCEPTED)
    rows = attempts.select_related(
        "account__provider", "capability__provider", "generation__capability__provider", "generation__workspace"
    )
    rows = rows.prefetch_related("account__credentials", "account__pools")
    looks = [look for attempt in rows if (look := _open(steps[attempt.generation_id], attempt))]
    return _within_rates(looks)


def _open(step: Step, attempt: Attempt) -> looking.Look | None:
    try:
        return looking.open_look(step, attempt)
    except Exception as error:
        logger.warning("cannot look at %s: %s", attempt.pk, error)
        _cannot_look(step, attempt, ProviderError("unavailable", str(error)))
        return None


def _cannot_look(step: Step, attempt: Attempt, error: ProviderError) -> None:
    """Its adapter or its key is gone: later again, and at the deadline it ends like any other."""
    try:
        waiting = looking.trouble(step, attempt, error, verb=looking.verb_for(attempt))
    except Stale as news:
        logger.info("left alone: %s", news)
    else:
        looking.write_back([waiting] if waiting else [])


def _within_rates(looks: Sequence[looking.Look]) -> list[looking.Look]:
    allowed: list[looking.Look] = []
    groups: dict[str, list[looking.Look]] = defaultdict(list)
    for look in looks:
        groups[look.line.rate_key].append(look)
    for key, group in groups.items():
        rate = None if group[0].line.builtin or group[0].line.mode != "live" else group[0].line.per_minute
        granted = rates.take(key, per_minute=rate, wanted=len(group))
        allowed += group[:granted]
        for place, look in enumerate(group[granted:], start=1):
            looking.put_back(look.step, seconds=60 / float(rate or 60) * place)
    return allowed


async def ask(driver: Async, look: looking.Look) -> Status | ProviderError | str:
    """The provider's word: a status, a cancel verdict, or the trouble there was."""
    line, verb = look.line, look.verb
    make = partial(getattr(line.adapter, verb), look.handle)
    try:
        if line.builtin:
            result: Any = make()
        elif line.mode == "simulated":
            result = simulating.run(line, verb, make)
        else:
            site = replace(line.site, timeout=min(line.site.timeout, LOOK_SECONDS))
            result = await driver.call(f"{line.adapter.catalogue.slug}.{verb}", make, site)
        return result
    except ProviderError as error:
        return error
    except AuthorError as error:
        return ProviderError("bad_reply", f"The adapter is broken: {error}")
    except Exception as error:
        logger.exception("look at %s broke", look.attempt.pk)
        return ProviderError("bad_reply", f"The look failed: {type(error).__name__}")


def apply(seen: Sequence[Seen]) -> None:
    """Changes one by one through the lifecycle, the rest in one batch."""
    quiet = []
    for look, word in seen:
        try:
            waiting = looking.apply(look, word)
            if waiting:
                quiet.append(waiting)
        except Stale as news:
            logger.info("left alone: %s", news)
        except Exception:
            logger.exception("could not keep what was seen of %s", look.attempt.pk)
    looking.write_back(quiet)
