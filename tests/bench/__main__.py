"""`python3 run.py bench`: what our layers cost beside the bare library, as ratios of interleaved rounds in one run."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from faults.harness import adapters, ask, upstream  # noqa: E402

from providers.catalogue import load  # noqa: E402
from providers.declared import Declared  # noqa: E402
from providers.http.aiohttp_driver import Async  # noqa: E402
from providers.http.wire import Site  # noqa: E402
from providers.types import Handle  # noqa: E402

ROUNDS, LOOKS, AT_ONCE = 9, 400, 64


async def many(one: Callable[[], Awaitable[object]]) -> float:
    """Looks per second, so many at a time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def placed() -> None:
        async with places:
            await one()

    started = time.perf_counter()
    await asyncio.gather(*(placed() for _ in range(LOOKS)))
    return LOOKS / (time.perf_counter() - started)


async def looks(port: int, folder: Path) -> None:
    """A code-free provider's look through engine and driver, beside the same GET and JSON by the bare library."""
    catalogue = load(adapters(folder, port)[0], slug="findable")
    adapter = Declared(catalogue)
    body = {"input": {"prompt": "bench [slow 600]"}, "reference": "bench"}
    job = ask(f"http://127.0.0.1:{port}/v1/jobs", body)[1]["id"]
    handle = Handle(remote_id=job, operation="text_to_image", model="picture", outputs=("image",))
    site = Site(
        name="bench", base_url=f"http://127.0.0.1:{port}", auth=catalogue.http["auth"], secrets={"api_key": "bench"}
    )
    ours, floor = [], []
    async with Async() as driver, aiohttp.ClientSession(trust_env=False) as session:

        async def bare() -> object:
            async with session.get(f"http://127.0.0.1:{port}/v1/jobs/{job}") as reply:
                return json.loads(await reply.read())

        for _ in range(ROUNDS):
            floor.append(await many(bare))
            ours.append(await many(lambda: driver.call("bench.poll", lambda: adapter.poll(handle), site)))
    report("looks", ours, floor, "bare aiohttp")


def report(what: str, ours: list[float], floor: list[float], beside: str) -> None:
    ratios = sorted(mine / bare for mine, bare in zip(ours, floor, strict=True))
    middle = statistics.median(ratios)
    rates = f"{statistics.median(ours):,.0f}/s beside {statistics.median(floor):,.0f}/s of {beside}"
    print(f"{what}: {rates}; ratio {middle:.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})")


def main() -> None:
    print(
        f"{ROUNDS} rounds of {LOOKS}, {AT_ONCE} at once; the upstream runs on the same machine and bounds both sides."
    )
    with tempfile.TemporaryDirectory() as folder, upstream(Path(folder)) as port:
        asyncio.run(looks(port, Path(folder)))


if __name__ == "__main__":
    main()
