"""Processes the supervisor starts: each in a session of its own, its output passed on line by line, its group killable.

Rule: SIGTERM goes to a child's main process only (a queue cluster told as a group hangs on its own locks); SIGKILL goes
to the whole group, so that no grandchild stays behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

STEADY = 60.0  # seconds a child must live before its next death counts as a first one
LONGEST_PAUSE = 30.0


@dataclass(frozen=True)
class Plan:
    """How one child is started; `cluster` names the queue cluster it serves, if any."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cluster: str = ""


class Child:
    def __init__(
        self, plan: Plan, hear: Callable[[str, str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.plan = plan
        self.hear = hear
        self.clock = clock
        self.process: subprocess.Popen[str] | None = None
        self.started = 0.0
        self.deaths = 0
        self.start_at = 0.0

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def start(self) -> None:
        self.started = self.clock()
        self.process = subprocess.Popen(
            self.plan.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.plan.env},
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._listen, args=[self.process], name=f"out-{self.name}", daemon=True).start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with process.stdout as lines:
            for line in lines:
                self.hear(self.name, line.rstrip())

    def death(self) -> str | None:
        """Why it ended, or None while it lives. Its orphans are gone when this has answered."""
        if self.process is None or not has_ended(self.process.pid):
            return None
        return self.kill()

    def terminate(self) -> None:
        if self.process:
            signal_quietly(os.kill, self.process.pid, signal.SIGTERM)

    def kill(self) -> str:
        """Ends the whole group and takes its leave; the process id stays ours until the group is gone."""
        if self.process is None:
            return "was not running"
        signal_quietly(os.killpg, self.process.pid, signal.SIGKILL)
        code, self.process = self.process.wait(), None
        return reason(code)

    def schedule(self) -> float:
        """When to start it again: soon after a first death, later and later when it keeps dying."""
        self.deaths = 1 if self.clock() - self.started > STEADY else self.deaths + 1
        wait = pause(self.deaths)
        self.start_at = self.clock() + wait
        return wait


def pause(deaths: int) -> float:
    """1, 2, 4 ... 30 seconds."""
    return min(LONGEST_PAUSE, 2.0 ** min(deaths - 1, 10))


def reason(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def has_ended(pid: int) -> bool:
    """Looks without reaping: the id cannot be given to a stranger before its group has been killed."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def signal_quietly(send: Callable[[int, int], None], pid: int, number: int) -> None:
    with contextlib.suppress(
        ProcessLookupError, PermissionError
    ):  # gone already; macOS says "permission" of a dead group
        send(pid, number)


class Guard:
    """A shell holding the other end of a pipe: if the supervisor is killed outright it reads the end and stops the children."""

    SCRIPT = """
        trap '' HUP INT TERM
        while read -r line; do pids=$line; done
        [ -n "$pids" ] || exit 0
        : > "$1"
        for pid in $pids; do kill -TERM "$pid"; done 2>/dev/null
        sleep 4
        for pid in $pids; do kill -KILL "-$pid"; done 2>/dev/null
        rm -f "$1"
    """

    def __init__(self, stop_file: Path) -> None:
        self.stop_file = stop_file
        self.process: subprocess.Popen[str] | None = None

    def know(self, pids: Iterable[int]) -> None:
        """Tells it whom to stop; a guard that has gone is replaced."""
        if self.process is None or self.process.poll() is not None:
            self.process = self._start()
        assert self.process.stdin
        try:
            self.process.stdin.write(" ".join(str(pid) for pid in pids if pid) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.process = None

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def dismiss(self) -> None:
        if self.process:
            self.know([])
        if self.process and self.process.stdin:
            self.process.stdin.close()
            self.process.wait()

    def _start(self) -> subprocess.Popen[str]:
        command = ["/bin/sh", "-c", self.SCRIPT, "guard", str(self.stop_file)]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, text=True, start_new_session=True
        )


def python(*args: str) -> tuple[str, ...]:
    return (sys.executable, *args)
