"""What the queue runs: a slice of work for one cluster. A message only says "look at your rows"; the rows are the truth."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from generations.models import Pulse, Step

from . import bells, claims, derive, finishing, housekeeping, lifecycle, submitting
from .poller import Poller

logger = logging.getLogger("mediagen.tasks")
SLICE = 20.0  # seconds a slice goes on claiming
AT_ONCE = {"default": 32, "io": 2}
VERBS: dict[str, Callable[[Step], None]] = {
    "submit": submitting.work,
    "settle": submitting.work,
    "fetch": finishing.work,
}


def ring(cluster: str) -> None:
    bells.ring(cluster)


def work(cluster: str) -> None:
    """One slice. It ends early when nothing is due soon; the next ring, or the supervisor's, brings the next."""
    began = time.time()
    stamp(cluster)
    if cluster == "poll":
        asyncio.run(Poller(stop=stopping, stamp=lambda: stamp("poll")).run(time.time() + SLICE))
    else:
        _threads(cluster)
    if cluster in BESIDE:
        _beside(cluster, BESIDE[cluster])
    if time.time() - began > 1:  # it has worked
        give_back()
    due = claims.next_due(cluster)
    if due is not None and due < time.time() + SLICE and not stopping():
        bells.ring(cluster)


def _threads(cluster: str) -> None:
    """Claim and work side by side. While long calls are under way it goes on claiming, so one of them holds up nobody."""
    until = time.time() + SLICE
    last = time.time() + settings.LONGEST_SUBMIT / 2
    running: dict[Future[None], Step] = {}
    renewed = time.time()
    with ThreadPoolExecutor(AT_ONCE[cluster], thread_name_prefix=cluster) as pool:
        while True:
            running = {future: step for future, step in running.items() if not future.done()}
            now = time.time()
            claiming = not stopping() and (now < until or (bool(running) and now < last))
            try:
                for step in _due(cluster, AT_ONCE[cluster] - len(running)) if claiming else ():
                    running[pool.submit(_safely, step)] = step
                if not running and not (claiming and _soon(cluster, until)):
                    return
                if now - renewed > claims.LEASE / 4:
                    claims.renew(running.values())
                    renewed = now
                stamp(cluster)
            except (OperationalError, InterfaceError):
                if not running:  # nothing under way to stand by: the next ring begins anew
                    raise
                logger.warning("the database did not answer; standing by %d calls", len(running), exc_info=True)
                connection.close()
            time.sleep(0.1)


def _due(cluster: str, free: int) -> list[Step]:
    return claims.take(cluster, limit=free) if free > 0 else []


def _soon(cluster: str, until: float) -> bool:
    due = claims.next_due(cluster)
    return due is not None and due < min(until, time.time() + 2.0)


def _safely(step: Step) -> None:
    """A broken step is logged and comes back when its lease ends; it never takes the others with it."""
    try:
        VERBS[step.verb](step)
    except Exception:
        logger.exception("%s of %s broke", step.verb, step.pk)
        _later(step)
    finally:
        connection.close()


def _later(step: Step) -> None:
    """Sooner than the lease, but not in a tight circle."""
    seconds = min(5 * 2**step.errors, 600)
    Step.objects.filter(pk=step.pk, lease_seq=step.lease_seq).update(
        due_at=time.time() + seconds, errors=step.errors + 1, claimed=False
    )


def give_back() -> None:
    """Pictures and films leave large free blocks behind; the C library returns them only when it is asked to."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _beside(cluster: str, work: Callable[[], None]) -> None:
    """Work that may take its time, while this thread goes on telling that the cluster lives."""
    with ThreadPoolExecutor(1, thread_name_prefix=f"{cluster}-beside") as pool:
        future = pool.submit(_closing, work)
        while not wait([future], timeout=1).done:
            stamp(cluster)
        future.result()


def _closing(work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        connection.close()


def _derive() -> None:
    """Thumbnails, posters, waveforms: after the jobs, and again until each has one."""
    until = time.time() + SLICE
    for asset_id in derive.due():
        if stopping() or time.time() > until:
            return
        asset = derive.derive(asset_id)
        if asset is not None and asset.generation is not None and asset.derived_at:
            lifecycle.note(asset.generation, "derived", {"asset": str(asset.pk)})


def stopping() -> bool:
    """The supervisor's stop flag: finish what is begun, begin nothing new."""
    return (settings.VAR_DIR / "run" / "stop").exists()


def stamp(cluster: str) -> None:
    """Once a second at most: the supervisor reads it to notice a cluster that looks alive and does nothing."""
    now = time.time()
    if now - _stamped.get(cluster, 0) >= 1:
        _stamped[cluster] = now
        close_old_connections()
        Pulse.objects.update_or_create(cluster=cluster, defaults={"at": now})


_stamped: dict[str, float] = {}
BESIDE: dict[str, Callable[[], None]] = {"default": housekeeping.run, "io": _derive}
