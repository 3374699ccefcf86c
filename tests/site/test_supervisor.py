"""The supervisor with small stand-in children: what starts again, what is judged wedged, and that nothing outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mediagen_site.children import Child, Plan, pause, reason
from mediagen_site.supervisor import Sign, Watch, read_signs, write_signs

ROOT = Path(__file__).resolve().parents[2]

# A supervisor over children given as Python source; `prolific` starts a grandchild and ignores nothing.
HOST = """
    import sys
    from functools import partial
    from pathlib import Path
    from mediagen_site.children import Plan
    from mediagen_site.supervisor import Supervisor
    plans = [Plan(f"child{n}", partial(exec, source, {})) for n, source in enumerate(sys.argv[2:])]
    sys.exit(Supervisor(plans, stop_file=Path(sys.argv[1])).run(announce=lambda: print("ready", flush=True)))
"""
PROLIFIC = """
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print("pids", __import__("os").getpid(), grandchild.pid, flush=True)
time.sleep(300)
"""
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("pids", os.getpid(), flush=True)
time.sleep(300)
"""
BROKEN = "print('no such luck'); raise SystemExit(3)"


class Run:
    """One supervisor process and what it has said so far."""

    def __init__(self, tmp_path: Path, *sources: str) -> None:
        self.said = tmp_path / "said"
        self.stop_file = tmp_path / "run" / "stop"
        command = [sys.executable, "-c", textwrap.dedent(HOST), str(self.stop_file), *sources]
        with self.said.open("w") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, start_new_session=True)

    def text(self) -> str:
        return self.said.read_text()

    def pids(self) -> list[int]:
        lines = [line.split("pids ")[1] for line in self.text().splitlines() if "pids " in line]
        return [int(pid) for line in lines for pid in line.split()]

    def send(self, number: int) -> None:
        self.process.send_signal(number)


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*sources: str) -> Run:
        runs.append(Run(tmp_path, *sources))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()
        run.process.wait()
        for pid in filter(exists, run.pids()):
            os.kill(pid, signal.SIGKILL)


def eventually(fact: Callable[[], object], seconds: float = 15.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if fact():
            return True
        time.sleep(0.05)
    return bool(fact())


def exists(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        pass
    if Path("/proc/self").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pids: list[int]) -> bool:
    return not any(map(exists, pids))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_and_leaves_no_process(supervise: Callable[..., Run], number: int) -> None:
    run = supervise(PROLIFIC, PROLIFIC)
    assert eventually(lambda: len(run.pids()) == 4 and "ready" in run.text())
    run.send(number)
    assert run.process.wait(timeout=10) == 0
    assert eventually(lambda: gone(run.pids()), 2)
    assert not run.stop_file.exists()
    assert run.text().rstrip().endswith("stopped.")


def test_a_child_that_ignores_the_request_is_killed_within_ten_seconds(supervise: Callable[..., Run]) -> None:
    run = supervise(STUBBORN)
    assert eventually(lambda: run.pids())
    asked = time.monotonic()
    run.send(signal.SIGTERM)
    assert eventually(lambda: run.stop_file.exists())
    assert run.process.wait(timeout=12) == 0
    assert 6 < time.monotonic() - asked < 10
    assert gone(run.pids())
    assert "child0 did not stop within 7 s and was killed" in run.text()


def test_a_second_signal_kills_at_once(supervise: Callable[..., Run]) -> None:
    run = supervise(STUBBORN)
    assert eventually(lambda: run.pids())
    run.send(signal.SIGINT)
    assert eventually(lambda: run.stop_file.exists())
    run.send(signal.SIGINT)
    assert run.process.wait(timeout=4) == 0
    assert gone(run.pids())


def test_a_killed_child_is_named_replaced_and_its_orphans_end(supervise: Callable[..., Run]) -> None:
    run = supervise(PROLIFIC)
    assert eventually(lambda: len(run.pids()) == 2)
    first = run.pids()
    os.kill(first[0], signal.SIGKILL)
    assert eventually(lambda: len(run.pids()) == 4)
    assert gone(first)
    assert "child0 was killed by SIGKILL; it starts again in 1 s." in run.text()


def test_when_the_supervisor_is_killed_outright_its_children_end(supervise: Callable[..., Run]) -> None:
    run = supervise(PROLIFIC, STUBBORN)
    assert eventually(lambda: len(run.pids()) == 3 and "ready" in run.text())
    run.send(signal.SIGKILL)
    assert eventually(lambda: gone(run.pids()), 8)
    assert eventually(lambda: not run.stop_file.exists(), 3)


def test_a_child_that_never_starts_ends_the_program_with_its_words(tmp_path: Path) -> None:
    host = textwrap.dedent(HOST).replace("run(", "run(live=lambda: False, ")
    stop_file = str(tmp_path / "stop")
    done = subprocess.run(
        [sys.executable, "-c", host, stop_file, BROKEN], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert "no such luck" in done.stdout
    assert "child0 ended with code 3; it starts again in 2 s." in done.stdout
    assert "child0 does not start" in done.stdout


def test_pauses_grow_to_thirty_seconds() -> None:
    assert [pause(deaths) for deaths in (1, 2, 3, 4, 5, 6, 60)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_child_that_lived_long_starts_again_soon() -> None:
    now = [0.0]
    child = Child(Plan("x", lambda: None), clock=lambda: now[0])
    assert [child.schedule(), child.schedule()] == [1, 2]
    now[0] = 61
    assert child.schedule() == 1


def test_an_end_is_told_in_words() -> None:
    assert reason(2) == "ended with code 2"
    assert reason(-9) == "was killed by SIGKILL"


# -- judging a cluster ---------------------------------------------------------------------------------------------------


def sign(pulse: float, seq: int = 0, *, busy: bool = False) -> Sign:
    return Sign(pulse=pulse, leases=(seq, 0.0), busy=busy)


def awake() -> Watch:
    """A watch over a cluster that has answered once, at 10."""
    watch = Watch(0)
    assert watch.look(sign(1), 5) == ""
    assert watch.look(sign(2), 10) == ""
    return watch


def test_a_cluster_that_pulses_is_left_alone() -> None:
    watch = awake()
    assert all(watch.look(sign(second), second) == "" for second in range(15, 300, 5))


def test_a_silent_cluster_is_wedged_after_thirty_seconds() -> None:
    watch = awake()
    assert watch.look(sign(2), 40) == ""
    assert watch.look(sign(2), 41) == "gave no sign of life for 31 s"


def test_a_renewed_lease_is_a_sign_of_life_but_a_held_one_is_not() -> None:
    watch = awake()
    assert watch.look(sign(2, seq=7, busy=True), 35) == ""
    assert watch.look(sign(2, seq=7, busy=True), 60) == ""
    assert watch.look(sign(2, seq=7, busy=True), 66) != ""


def test_a_cluster_that_never_begins_is_wedged_too() -> None:
    watch = Watch(0)
    assert watch.look(sign(1), 29) == ""
    assert watch.look(sign(1), 31) != ""


def test_a_death_before_the_first_sign_is_judged_as_strictly() -> None:
    watch = Watch(0)
    watch.died("worker", 2)
    assert watch.look(sign(1), 13) == ""
    assert watch.look(sign(1), 15) != ""


def test_a_death_inside_makes_the_watch_strict_until_the_next_sign() -> None:
    watch = awake()
    watch.died("worker", 12)
    assert watch.look(sign(2), 24) == ""
    assert watch.look(sign(2), 25) != ""
    watch = awake()
    watch.died("worker", 12)
    assert watch.look(sign(3), 20) == ""
    assert watch.look(sign(3), 45) == ""


def test_a_lost_monitor_costs_a_restart_once_nothing_is_in_hand() -> None:
    watch = awake()
    watch.died("monitor", 12)
    assert watch.look(sign(3, seq=1, busy=True), 15) == ""
    assert watch.look(sign(4, seq=1), 20) == "lost the process that confirms finished work"


def test_a_database_that_does_not_answer_proves_nothing() -> None:
    watch = awake()
    assert watch.look(None, 100) == ""
    assert watch.look(sign(2), 129) == ""
    assert watch.look(sign(2), 131) != ""


def test_a_restarted_cluster_is_judged_afresh() -> None:
    watch = awake()
    watch.died("monitor", 12)
    watch.restart(50)
    assert watch.look(sign(2), 79) == ""


def test_signs_survive_the_way_to_the_supervisor() -> None:
    signs = {"default": sign(1763700000.25, 7, busy=True), "poll": sign(0)}
    assert read_signs(write_signs(signs)) == signs
