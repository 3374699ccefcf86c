"""The whole of it running, used from outside: a catalogue without code, bad results, storms, repeats, and the stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faults.databases import DATABASES, broker, database
from faults.harness import ROOT, House, ask, free_port, upstream, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", params=DATABASES)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, int]]:
    folder = tmp_path_factory.mktemp("running")
    with upstream(folder) as port, database(request.param) as address:
        house = House(
            folder, port, database=address, **broker(14), MEDIAGEN_FETCH_SECONDS="8", MEDIAGEN_MAX_RESULT=str(8 * 2**20)
        )
        try:
            yield house.start(), port
        finally:
            house.stop()


def stats(port: int) -> dict[str, Any]:
    return ask(f"http://127.0.0.1:{port}/stats")[1]  # type: ignore[no-any-return]


def test_a_mock_video_is_playable_within_seconds(running: tuple[House, int], tmp_path: Path) -> None:
    import av

    house, _ = running
    started = time.monotonic()
    row = house.submit(
        "mock/video",
        "a lighthouse at dusk",
        uuid.uuid4().hex,
        operation="text_to_video",
        duration=4,
        resolution="720p",
        aspect_ratio="16:9",
    )
    ended = house.ended(row["id"], 30)
    took = time.monotonic() - started
    assert (ended["status"], ended["cost"]["charged"]) == ("succeeded", "20.000000"), ended
    request = urllib.request.Request(
        house.url + ended["outputs"][0]["url"], headers={"Authorization": f"Bearer {house.key}"}
    )
    (tmp_path / "film.mp4").write_bytes(urllib.request.urlopen(request, timeout=20).read())
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert (film.streams.video[0].width, film.streams.video[0].height) == (1280, 720)
        assert float(film.duration or 0) / av.time_base == pytest.approx(4, abs=0.1)
    print(f"submit to playable: {took:.1f} s")


def test_a_catalogue_without_code_carries_a_parameter_nobody_knew(running: tuple[House, int]) -> None:
    """Its price in the quote and the receipt, its value in the body the upstream received, a wrong value refused by name."""
    house, port = running
    order = {
        "model": "findable/picture",
        "params": {"prompt": f"wobbling {uuid.uuid4().hex}", "aspect_ratio": "16:9", "wobble": "hard"},
    }
    status, quote = house.call("/quotes", order)
    assert status == 200 and quote["amount"] == "4.500000"
    assert {"label": "Wobble hard", "amount": "2.500000"} in quote["lines"]
    status, row = house.call("/generations", order)
    assert status == 202, row
    ended = house.ended(row["id"], 30)
    assert (ended["status"], ended["cost"]["charged"]) == ("succeeded", "4.500000")
    body = next(body for body in stats(port)["bodies"] if body["input"]["prompt"] == order["params"]["prompt"])
    assert body["input"] == {"prompt": order["params"]["prompt"], "aspect": "16:9", "wobble": 2}
    status, problem = house.call("/generations", {**order, "params": {**order["params"], "wobble": "sideways"}})
    assert status == 422 and "soft" in problem["fields"]["params.wobble"][0]
    status, problem = house.call("/generations", {**order, "params": {"prompt": "x", "wobble": "hard"}})
    assert status == 422 and "params.wobble" in problem["fields"]
    status, problem = house.call("/generations", {**order, "params": {"prompt": "x", "wooble": 1}})
    assert status == 422 and "wobble" in problem["fields"]["params.wooble"][0]


def test_its_looks_come_from_the_asynchronous_driver(running: tuple[House, int]) -> None:
    house, port = running
    row = house.submit("findable/picture", f"looked at [slow 3] {uuid.uuid4().hex}", uuid.uuid4().hex)
    assert house.ended(row["id"], 30)["status"] == "succeeded"
    assert stats(port)["looks"] > 0


@pytest.mark.parametrize("trick", ["private", "endless", "huge", "html"])
def test_a_bad_result_is_a_clear_failure_and_costs_nothing(running: tuple[House, int], trick: str) -> None:
    house, _ = running
    before = house.wallet()
    row = house.submit("findable/picture", f"[{trick}] {uuid.uuid4().hex}", uuid.uuid4().hex)
    ended = house.ended(row["id"], 90)
    assert ended["status"] == "failed" and ended["outputs"] == [] and ended["error"]["message"], ended
    assert house.wallet() == before
    assert house.call(f"/assets?generation={ended['id']}")[1]["data"] == []


def test_an_address_that_expired_is_asked_for_again(running: tuple[House, int]) -> None:
    house, port = running
    prompt = f"[expire] {uuid.uuid4().hex}"
    row = house.submit("findable/picture", prompt, uuid.uuid4().hex)
    assert house.ended(row["id"], 60)["status"] == "succeeded"
    assert stats(port)["jobs"][prompt] == 1


def test_a_lost_answer_is_found_again_and_paid_once(running: tuple[House, int]) -> None:
    house, port = running
    prompt = f"[drop] {uuid.uuid4().hex}"
    row = house.submit("findable/picture", prompt, uuid.uuid4().hex)
    assert house.ended(row["id"], 60)["status"] == "succeeded"
    assert stats(port)["jobs"][prompt] == 1


def test_slow_submits_run_side_by_side_and_none_becomes_unknown(running: tuple[House, int]) -> None:
    """Each takes three leases to answer; a dozen together take little longer than one."""
    house, port = running
    prompts = [f"[delay 12] {uuid.uuid4().hex}" for _ in range(12)]
    started = time.monotonic()
    rows = [house.submit("findable/patient", prompt, uuid.uuid4().hex) for prompt in prompts]
    for row in rows:
        ended = house.ended(row["id"], 60)
        assert (ended["status"], ended["attempts"]) == ("succeeded", 1)
        events = house.call(f"/generations/{row['id']}/events")[1]["data"]
        assert not any(event["data"].get("unknown") for event in events)
    print(f"twelve submits of 12 s each: {time.monotonic() - started:.0f} s")
    assert [stats(port)["jobs"][prompt] for prompt in prompts] == [1] * 12


def test_a_refused_prompt_is_filtered_and_never_tried_again(running: tuple[House, int]) -> None:
    house, port = running
    before = house.wallet()["balance"]
    row = house.submit("blind/picture", f"[refuse] {uuid.uuid4().hex}", uuid.uuid4().hex)
    ended = house.ended(row["id"], 30)
    assert (ended["status"], ended["error"]["code"], ended["attempts"]) == ("filtered", "content_rejected", 1)
    assert house.wallet()["balance"] == before


@pytest.mark.parametrize("model", ["mock/image", "findable/picture"])
def test_one_key_makes_one_generation_also_at_the_same_moment(running: tuple[House, int], model: str) -> None:
    house, port = running
    prompt = f"once {uuid.uuid4().hex}"
    key, order = uuid.uuid4().hex, {"model": model, "params": {"prompt": prompt}, "operation": "text_to_image"}
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: house.call("/generations", order, **{"Idempotency-Key": key}), range(24)))
    assert {status for status, _ in answers} <= {200, 202}, Counter(status for status, _ in answers)
    assert len({row["id"] for _, row in answers}) == 1
    status, problem = house.call("/generations", {**order, "params": {"prompt": "twice"}}, **{"Idempotency-Key": key})
    assert (status, problem["code"]) == (409, "idempotency_conflict")
    assert house.ended(answers[0][1]["id"], 60)["status"] == "succeeded"
    assert stats(port)["jobs"].get(prompt, 0) == (0 if model.startswith("mock/") else 1)


STORMS = {
    "mock": ("mock/video", "text_to_video", {"prompt": "storm", "duration": 2, "resolution": "360p"}, 10),
    "over a line": ("findable/picture", "text_to_image", {"prompt": "storm"}, 2),
}


@pytest.mark.parametrize("storm", STORMS)
def test_two_hundred_submits_on_a_wallet_for_ten(running: tuple[House, int], storm: str) -> None:
    """Through two web processes at once: exactly ten are accepted, the others are told why."""
    house, port = running
    model, operation, params, each = STORMS[storm]
    house.manage("wallet", "adjust", "--user", "admin", "--to", str(10 * each), "--reason", "storm")
    with second_web(house) as second:
        order = {"model": model, "operation": operation, "params": params}
        answers = _storm([house.port, second], house.key, order)
    assert Counter(status for status, _ in answers) == {202: 10, 402: 190}
    refused = next(body for status, body in answers if status == 402)
    assert refused["code"] == "insufficient_credits" and f"{each}.00" in refused["detail"]
    for row in [body for status, body in answers if status == 202]:
        assert house.ended(row["id"], 120)["status"] == "succeeded"
    assert house.wallet() == {"unit": "credit", "balance": "0.000000", "held": "0.000000", "available": "0.000000"}
    assert stats(port)["jobs"].get("storm", 0) == (0 if storm == "mock" else 10)
    house.manage("wallet", "adjust", "--user", "admin", "--to", "1000", "--reason", "after the storm")
    assert "invariants hold" in house.manage("audit")


@contextmanager
def second_web(house: House) -> Iterator[int]:
    """Another web process on the same data, beside the supervised one."""
    port = free_port()
    words = ["-m", "uvicorn", "mediagen_site.asgi:application", "--port", str(port), "--lifespan", "off"]
    process = subprocess.Popen([sys.executable, *words, "--log-level", "warning"], cwd=ROOT, env=house.env)
    try:
        wait_for(lambda: ask(f"http://127.0.0.1:{port}/health/live")[0] == 200, 30, "the second web process")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _storm(ports: list[int], key: str, order: dict[str, Any]) -> list[tuple[int, Any]]:
    def one(number: int) -> tuple[int, Any]:
        address = f"http://127.0.0.1:{ports[number % len(ports)]}/api/v1/generations"
        return ask(address, order, {"Authorization": f"Bearer {key}"}, timeout=120)

    with ThreadPoolExecutor(40) as pool:
        return list(pool.map(one, range(200)))


def test_a_killed_worker_is_mended_and_jobs_flow_again(running: tuple[House, int]) -> None:
    """Whichever worker holds the queue's lock: after killing every idle one of a cluster, a job still ends within a minute."""
    house, _ = running
    assert house.process is not None
    for cluster in ("default", "io"):
        victims = _workers(house.process.pid, cluster)
        assert victims, cluster
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
    started = time.monotonic()
    row = house.submit("mock/image", "after the kill", uuid.uuid4().hex)
    assert house.ended(row["id"], 60)["status"] == "succeeded"
    print(f"jobs flowed again after {time.monotonic() - started:.1f} s")


def _workers(parent: int, cluster: str) -> list[int]:
    """Processes below `parent` that belong to a cluster and are the deepest of their tree: workers, pusher, monitor."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    below, found = [parent], []
    while below:
        pid = below.pop()
        below += children.get(pid, [])
        if pid not in children and _cluster(pid) == cluster:
            found.append(pid)
    return found


def _cluster(pid: int) -> str:
    """Each child names its process after its part, and its own children inherit the name."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
    return name.removeprefix("mg-")


def test_it_stops_within_ten_seconds_and_leaves_nothing(running: tuple[House, int]) -> None:
    house, _ = running
    assert house.process is not None
    group = house.process.pid
    seconds = house.stop()
    assert seconds <= 10.5
    left = [
        pid
        for pid in _everyone()
        if f"MEDIAGEN_VAR={house.env['MEDIAGEN_VAR']}".encode() in _environ(pid) and pid != os.getpid()
    ]
    assert left == [], (group, left)


def _everyone() -> list[int]:
    return (
        [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()] if Path("/proc").exists() else []
    )


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
