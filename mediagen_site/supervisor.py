"""Keeps the web server and the queue clusters running, and ends them together.

A child that dies is started again. A cluster may also be wedged while every process looks alive (its idle worker was
killed holding the queue's lock): it is one when it is rung and gives no sign of life, neither a pulse nor a renewed lease.
The supervisor has one thread and no database connection, so that it may fork and can never be held up.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from .children import SIGNALS, Child, Guard, Plan

GRACE = 7.0  # seconds from the wish to stop until what still runs is killed; all is over within ten
TICK = 0.5
SILENCE = 30.0  # seconds without a sign of life from a cluster that is being rung
SILENCE_SUSPECT = 12.0  # the same after one of its processes has died
HOPELESS = 4  # deaths of one child before everything has once been ready
SIGNS = "signs of life: "  # begins a line in which the watching child tells what it saw
DIED = re.compile(r"reincarnated (worker|monitor|pusher) .*death")


@dataclass(frozen=True)
class Sign:
    """What a look at the database told of one cluster. `leases` changes whenever one of its steps is claimed or renewed."""

    pulse: float
    leases: tuple[int, float]
    busy: bool


def write_signs(signs: Mapping[str, Sign]) -> str:
    return SIGNS + json.dumps({name: [sign.pulse, *sign.leases, sign.busy] for name, sign in signs.items()})


def read_signs(line: str) -> dict[str, Sign]:
    rows: dict[str, Any] = json.loads(line.removeprefix(SIGNS))
    return {name: Sign(pulse, (seq, until), busy) for name, (pulse, seq, until, busy) in rows.items()}


class Watch:
    """Judges one cluster from its signs; compares stamps with earlier stamps only, never with this machine's clock."""

    def __init__(self, now: float) -> None:
        self.restart(now)

    def restart(self, now: float) -> None:
        self.seen = now
        self.last: Sign | None = None
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
        self.suspect = False
        return True

    def silence(self) -> float:
        return SILENCE_SUSPECT if self.suspect else SILENCE


class Supervisor:
    def __init__(self, plans: Sequence[Plan], *, stop_file: Path) -> None:
        self.children = [Child(plan) for plan in plans]
        self.watches = {plan.cluster: Watch(time.monotonic()) for plan in plans if plan.cluster}
        self.stop_file = stop_file
        self.guard = Guard(stop_file)
        self.wishes = 0
        self.code = 0
        self.width = max(8, *(len(plan.name) for plan in plans))
        self.ready = False

    def run(self, *, live: Callable[[], bool] = lambda: True, announce: Callable[[], None] = lambda: None) -> int:
        """Until a signal asks to stop. `live` is asked until it says yes, then `announce` is called, once."""
        for number in SIGNALS:
            signal.signal(number, self._signalled)
        self.stop_file.parent.mkdir(parents=True, exist_ok=True)
        self.stop_file.unlink(missing_ok=True)
        try:
            while not self.wishes:
                self.bury()
                self.start_due()
                if not self.ready and live():
                    self.ready = True
                    announce()
                self.listen(TICK if self.ready else 0.1)
        finally:
            self.stop()
        return self.code

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self.wishes += 1

    def start_due(self) -> None:
        """Starts what is down and whose pause is over."""
        due = [child for child in self.children if not child.pid and child.clock() >= child.start_at]
        for child in due:
            if child.plan.cluster:
                self.watches[child.plan.cluster].restart(time.monotonic())
            child.start()
        if due or not self.guard.alive():
            self.guard.know(child.pid for child in self.children)

    def bury(self) -> None:
        """Notices who has died, and why."""
        for child in self.children:
            if why := child.death():
                self.hear(child)
                self.again(child, why)

    def again(self, child: Child, why: str) -> None:
        child.hang_up()
        if self.wishes:
            return
        wait = child.schedule()
        self.say(f"{child.name} {why}; it starts again in {wait:.0f} s.")
        if not self.ready and child.deaths >= HOPELESS:
            self.say(f"{child.name} does not start; the lines above say why.")
            self.code, self.wishes = 1, 1

    # -- hearing and speaking --------------------------------------------------------------------------------------------

    def listen(self, seconds: float) -> None:
        """Waits until somebody says something, for a moment at most."""
        pipes = {child.output: child for child in self.children if child.output >= 0}
        started = time.monotonic()
        for pipe in select.select(pipes, [], [], seconds)[0]:
            if not self.hear(pipes[pipe]):
                time.sleep(0.05)  # its end was read; the death follows
        if time.monotonic() - started < 0.02:
            time.sleep(0.02)  # one that talks without end must not keep a core busy

    def hear(self, child: Child) -> int:
        lines = child.lines()
        for line in lines:
            if line.startswith(SIGNS):
                self.judge(read_signs(line))
            else:
                self.say(line, child.name)
                self.notice(child, line)
        return len(lines)

    def notice(self, child: Child, line: str) -> None:
        """A queue tells of its dead itself, in passing."""
        if (match := DIED.search(line)) and child.plan.cluster:
            self.watches[child.plan.cluster].died(match[1], time.monotonic())

    def judge(self, signs: Mapping[str, Sign]) -> None:
        for child in self.children:
            if child.pid and child.plan.cluster:
                why = self.watches[child.plan.cluster].look(signs.get(child.plan.cluster), time.monotonic())
                if why:
                    child.kill()
                    self.again(child, why)

    def say(self, text: str, name: str = "mediagen") -> None:
        with contextlib.suppress(OSError, ValueError):  # without a terminal everything else goes on
            print(f"{name:>{self.width}} | {text}", flush=True)

    # -- stopping --------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Asks everyone to finish, waits, then kills what is left. A further signal kills at once."""
        self.stop_file.touch()
        asked, self.wishes = time.monotonic(), max(1, self.wishes)
        patience = self.wishes
        for child in self.children:
            if child.pid:
                child.terminate()
        while any(child.pid for child in self.children):
            self.bury()
            if time.monotonic() - asked > GRACE or self.wishes > patience:
                break
            self.listen(0.05)
        for child in filter(lambda child: child.pid, self.children):
            self.say(f"{child.name} did not stop within {time.monotonic() - asked:.0f} s and was killed.")
            child.kill()
        self.stop_file.unlink(missing_ok=True)
        self.guard.dismiss()
        self.say("stopped.")
