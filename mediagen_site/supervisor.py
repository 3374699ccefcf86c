"""Keeps the web server and the queue clusters running, and ends them together.

A child that dies is started again. A cluster may also be wedged while every process looks alive (its idle worker was
killed holding the queue's lock): it is one when it is rung and gives no sign of life, neither a pulse nor a renewed lease.
"""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from .children import Child, Guard, Plan

GRACE = 8.0  # seconds from the wish to stop until what still runs is killed
TICK = 0.5
SILENCE = 30.0  # seconds without a sign of life from a cluster that is being rung
SILENCE_BOOTING = 60.0  # the same before its first sign
SILENCE_SUSPECT = 12.0  # the same after one of its processes has died
HOPELESS = 4  # deaths of the web server before it has answered once
DIED = re.compile(r"reincarnated (worker|monitor|pusher) .*death")


@dataclass(frozen=True)
class Sign:
    """What a look at the database told of one cluster. `leases` changes whenever one of its steps is claimed or renewed."""

    pulse: float
    leases: tuple[int, float]
    busy: bool


class Signs(Protocol):
    """Looks at the clusters and rings the silent ones, now and then, in a thread of its own."""

    def start(self) -> None: ...

    def take(self) -> dict[str, Sign] | None: ...

    def hurry(self) -> None: ...


class Watch:
    """Judges one cluster from its signs; compares stamps with earlier stamps only, never with this machine's clock."""

    def __init__(self, now: float) -> None:
        self.restart(now)

    def restart(self, now: float) -> None:
        self.seen = now
        self.last: Sign | None = None
        self.alive = False
        self.suspect = False
        self.unacknowledged = False

    def died(self, who: str, now: float) -> None:
        """A process of the cluster was replaced. A replaced monitor never acknowledges anything again."""
        self.suspect, self.seen = True, now
        self.unacknowledged = self.unacknowledged or who == "monitor"

    def look(self, sign: Sign | None, now: float) -> str:
        """Why the cluster must be started again, or an empty string. No sign at all (no database) proves nothing."""
        if sign is None or self._is_news(sign):
            self.seen = now
        self.last = sign or self.last
        if now - self.seen > self.silence():
            return f"gave no sign of life for {now - self.seen:.0f} s"
        if self.unacknowledged and sign and not sign.busy:
            return "lost the process that confirms finished work"
        return ""

    def _is_news(self, sign: Sign) -> bool:
        before = self.last
        if before is None or (sign.pulse, sign.leases) == (before.pulse, before.leases):
            return False
        self.alive, self.suspect = True, False
        return True

    def silence(self) -> float:
        if not self.alive:
            return SILENCE_BOOTING
        return SILENCE_SUSPECT if self.suspect else SILENCE


class Supervisor:
    def __init__(self, plans: Sequence[Plan], *, stop_file: Path, signs: Signs | None = None) -> None:
        self.children = [Child(plan, self.hear) for plan in plans]
        self.watches = {plan.cluster: Watch(time.monotonic()) for plan in plans if plan.cluster}
        self.stop_file = stop_file
        self.guard = Guard(stop_file)
        self.signs = signs
        self.wish = threading.Event()
        self.wishes = 0
        self.code = 0
        self.width = max(len(plan.name) for plan in plans)
        self.ready = False
        self._voice = threading.Lock()

    # -- speaking --------------------------------------------------------------------------------------------------------

    def hear(self, name: str, line: str) -> None:
        """A line from a child: passed on, and listened to."""
        self.say(line, name)
        child = next((child for child in self.children if child.name == name), None)
        if (match := DIED.search(line)) and child and child.plan.cluster:
            self.watches[child.plan.cluster].died(match[1], time.monotonic())
            if self.signs:
                self.signs.hurry()

    def say(self, text: str, name: str = "") -> None:
        with self._voice, contextlib.suppress(OSError, ValueError):  # without a terminal everything else goes on
            print(f"{name or 'mediagen':>{max(self.width, 8)}} | {text}", flush=True)

    # -- running ---------------------------------------------------------------------------------------------------------

    def run(self, *, live: Callable[[], bool] = lambda: True, announce: Callable[[], None] = lambda: None) -> int:
        """Until a signal asks to stop. `live` is asked until it says yes, then `announce` is called, once."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._signalled)
        self.stop_file.parent.mkdir(parents=True, exist_ok=True)
        self.stop_file.unlink(missing_ok=True)
        try:
            self.start_due()
            if self.signs:
                self.signs.start()
            self._loop(live, announce)
        finally:
            self.stop()
        return self.code

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self.wishes += 1
        self.wish.set()

    def _loop(self, live: Callable[[], bool], announce: Callable[[], None]) -> None:
        while not self.wish.is_set():
            if not self.ready and live():
                self.ready = True
                announce()
            self.wish.wait(TICK if self.ready else 0.1)
            self.bury()
            self.judge()
            self.start_due()

    def start_due(self) -> None:
        """Starts what is down and whose pause is over."""
        due = [child for child in self.children if child.process is None and child.clock() >= child.start_at]
        for child in due:
            child.start()
            if child.plan.cluster:
                self.watches[child.plan.cluster].restart(time.monotonic())
        if due or not self.guard.alive():
            self.guard.know(child.pid for child in self.children)

    def bury(self) -> None:
        for child in self.children:
            why = child.death()
            if why and not self.wish.is_set():
                self.again(child, why)

    def again(self, child: Child, why: str) -> None:
        wait = child.schedule()
        self.say(f"{child.name} {why}; it starts again in {wait:.0f} s.")
        if not self.ready and child.deaths >= HOPELESS:
            self.say(f"{child.name} does not start; the lines above say why.")
            self.code = 1
            self.wish.set()

    def judge(self) -> None:
        """Acts on a fresh look at the clusters."""
        looked = self.signs.take() if self.signs else None
        if looked is None:
            return
        for child in self.children:
            if child.process and child.plan.cluster:
                why = self.watches[child.plan.cluster].look(looked.get(child.plan.cluster), time.monotonic())
                if why:
                    child.kill()
                    self.again(child, why)

    # -- stopping --------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Asks everyone to finish, waits, then kills what is left. A second signal kills at once."""
        self.stop_file.touch()
        asked, patience = time.monotonic(), self.wishes
        running = [child for child in self.children if child.process]
        for child in running:
            child.terminate()
        while running and time.monotonic() - asked < GRACE and self.wishes == patience:
            time.sleep(0.05)
            running = [child for child in running if child.death() is None]
        for child in running:
            self.say(f"{child.name} did not stop within {time.monotonic() - asked:.0f} s and was killed.")
            child.kill()
        self.stop_file.unlink(missing_ok=True)
        self.guard.dismiss()
        self.say("stopped.")
        sys.stdout.flush()
