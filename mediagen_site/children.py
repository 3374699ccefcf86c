"""Processes the supervisor starts: forked from it, each in a session of its own, its group killable.

They are forked and not executed afresh because what is loaded before the fork is then shared: the whole tree needs half
the memory and a child is up in a moment. Rule: SIGTERM goes to a child's main process only (a queue cluster told as a
group hangs on its own locks); SIGKILL goes to the whole group, so that no grandchild stays behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

STEADY = 60.0  # seconds a child must live before its next death counts as a first one
LONGEST_PAUSE = 30.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Plan:
    """What one child does; `cluster` names the queue cluster it serves, `keep` the open files it needs."""

    name: str
    run: Callable[[], object]
    cluster: str = ""
    keep: tuple[int, ...] = ()


class Child:
    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        self.plan = plan
        self.name = plan.name
        self.clock = clock
        self.pid = 0
        self.output = -1
        self.rest = b""
        self.started = 0.0
        self.deaths = 0
        self.start_at = 0.0

    def start(self) -> None:
        self.started = self.clock()
        self.output, theirs = os.pipe()
        os.set_blocking(self.output, False)
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            live(self.plan, theirs)
        os.close(theirs)

    def lines(self) -> list[str]:
        """What it has said since the last time, whole lines."""
        said = b""
        with contextlib.suppress(BlockingIOError):
            while self.output >= 0 and (piece := os.read(self.output, 65536)):
                said += piece
        *whole, self.rest = (self.rest + said).split(b"\n")
        return [line.decode(errors="replace").rstrip() for line in whole]

    def death(self) -> str | None:
        """Why it ended, or None while it lives. Its orphans are gone when this has answered."""
        return self.kill() if self.pid and has_ended(self.pid) else None

    def terminate(self) -> None:
        send(os.kill, self.pid, signal.SIGTERM)

    def kill(self) -> str:
        """Ends the whole group and takes its leave; the process id stays ours until the group is gone."""
        send(os.killpg, self.pid, signal.SIGKILL)
        send(os.kill, self.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        return reason(code)

    def hang_up(self) -> None:
        """Closes the pipe of one that has ended, after its last words were read."""
        os.close(self.output)
        self.output, self.rest = -1, b""

    def schedule(self) -> float:
        """When to start it again: soon after a first death, later and later when it keeps dying."""
        self.deaths = 1 if self.clock() - self.started > STEADY else self.deaths + 1
        wait = pause(self.deaths)
        self.start_at = self.clock() + wait
        return wait


def live(plan: Plan, output: int) -> NoReturn:
    """The child's life from the fork to its end; it never returns into the supervisor's code."""
    code = 1
    try:
        os.setsid()
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        only_these_files(output, plan.keep)
        call_yourself(f"mg-{plan.name}")
        plan.run()
        code = 0
    except SystemExit as wish:
        code = wish.code if isinstance(wish.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


def call_yourself(name: str) -> None:
    """What `ps` and `top` show, where the kernel lets a process choose."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name[:15])


def only_these_files(output: int, keep: Iterable[int]) -> None:
    """Both outputs into the pipe, no input, and nothing else of the supervisor's: its guard must see its end.

    The rest is pointed at nothing, not closed: a library may close one of these numbers later, when it would be another's.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for target, source in enumerate((nothing, output, output)):
        os.dup2(source, target)
    for number in set(map(int, os.listdir("/dev/fd"))) - {0, 1, 2, nothing, *keep}:
        os.dup2(nothing, number, inheritable=False)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


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
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def send(how: Callable[[int, int], None], pid: int, number: int) -> None:
    with contextlib.suppress(
        ProcessLookupError, PermissionError
    ):  # gone already; macOS says "permission" of a dead group
        how(pid, number)


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
        if not self.alive():
            self.process = self._start()
        with contextlib.suppress(BrokenPipeError):
            self._tell(" ".join(str(pid) for pid in pids if pid) + "\n")

    def _tell(self, line: str) -> None:
        if self.process and self.process.stdin:
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def dismiss(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._tell("\n")
        if self.process and self.process.stdin:
            self.process.stdin.close()
            self.process.wait()

    def _start(self) -> subprocess.Popen[str]:
        command = ["/bin/sh", "-c", self.SCRIPT, "guard", str(self.stop_file)]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, text=True, start_new_session=True
        )
