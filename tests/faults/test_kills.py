"""Every point where a crash could lose or double paid work, hit for real with SIGKILL under the running supervisor.

The counting upstream is the witness: one job there for each job here, whatever died in between.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.databases import DATABASES, broker, database
from faults.harness import House, ask, upstream

POINTS = ("before_hold", "after_hold", "before_send", "after_send", "after_answer", "while_fetching", "while_storing")
LOST = ("before_send", "after_send", "after_answer")  # the answer is lost: only the provider, or a person, knows
MODELS = ("findable/picture", "blind/picture", "mock/image")
NEVER_THERE = {("mock/image", "while_fetching")}  # what is made here is not fetched over a line
pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", params=DATABASES)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, int]]:
    folder = tmp_path_factory.mktemp("kills")
    with upstream(folder) as port, database(request.param) as address:
        house = House(folder, port, database=address, **broker(13))
        with contextlib.ExitStack() as stack:
            stack.callback(house.stop)
            yield house, port


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_ends_rightly(running: tuple[House, int], point: str) -> None:
    """One job of each provider, each killed once at this point: one upstream job each, and every credit explained."""
    house, port = running
    house.stop()  # should the point before have failed half-way
    house.start(MEDIAGEN_KILL_AT=point)
    marker = Path(house.env["MEDIAGEN_VAR"]) / "run" / f"killed-at-{point}"
    before = float(house.wallet()["balance"])
    charged = 0.0
    for model in MODELS:
        marker.unlink(missing_ok=True)
        prompt = f"{point} {uuid.uuid4().hex[:8]}" + ("" if model.startswith("mock/") else " [delay 1] [drip 1]")
        row = house.submit(model, prompt, uuid.uuid4().hex)
        ended = _to_the_end(house, port, model, point, row["id"], prompt)
        assert marker.exists() or (model, point) in NEVER_THERE
        charged += float(ended["cost"]["charged"])
    assert before - float(house.wallet()["balance"]) == pytest.approx(charged)
    assert float(house.wallet()["held"]) == 0
    assert "invariants hold" in house.manage("audit", "--deep")
    house.stop()


def _to_the_end(house: House, port: int, model: str, point: str, key: str, prompt: str) -> dict[str, Any]:
    if model == "blind/picture" and point in LOST:
        return _by_a_person(house, port, point, key, prompt)
    ended = house.ended(key, 60)
    assert ended["status"] == "succeeded", ended
    assert ended["outputs"][0]["kind"] == "image"
    if not model.startswith("mock/"):
        assert jobs(port, prompt) == 1
    return ended


def _by_a_person(house: House, port: int, point: str, key: str, prompt: str) -> dict[str, Any]:
    """Nobody can be asked: it stays unknown with its hold, and nothing is sent again until a person says what happened."""
    from faults.harness import wait_for

    lost: dict[str, Any] = wait_for(lambda: (row := house.row(key))["unknown"] and row, 40, "the outcome to be unknown")
    assert lost["status"] == "submitting"
    assert float(lost["cost"]["held"]) == 2
    arrived = jobs(port, prompt)
    assert arrived == (0 if point == "before_send" else 1)
    verdict = {"verdict": "arrived", "remote_id": remote_id(port, prompt)} if arrived else {"verdict": "never_arrived"}
    status, body = house.call(f"/generations/{key}/settle", verdict)
    assert status == 200, body
    ended = house.ended(key, 60)
    assert ended["status"] == "succeeded", ended
    assert jobs(port, prompt) == 1
    return ended


def jobs(port: int, prompt: str) -> int:
    return int(ask(f"http://127.0.0.1:{port}/stats")[1]["jobs"].get(prompt, 0))


def remote_id(port: int, prompt: str) -> str:
    bodies = ask(f"http://127.0.0.1:{port}/stats")[1]["bodies"]
    place = next(place for place, body in enumerate(bodies, start=1) if body["input"]["prompt"] == prompt)
    return f"job-{place}"


def test_the_points_are_inert_without_the_variable() -> None:
    from generations import faults

    assert os.environ.get("MEDIAGEN_KILL_AT") is None
    for point in faults.POINTS:
        faults.at(point)
    assert set(faults.POINTS) == set(POINTS)
