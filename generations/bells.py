"""The doorbells: a queue message only says "look at your rows"; losing one costs seconds, never a job."""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from typing import Any

from django.db import transaction

logger = logging.getLogger("mediagen.bells")
CLUSTERS = ("default", "poll", "io")


def ring(cluster: str) -> None:
    """Ask a cluster to work a slice. A queue that cannot be reached is logged: the supervisor rings again soon."""
    from django_q.tasks import async_task

    try:
        async_task(
            "generations.tasks.work",
            cluster,
            q_options={"cluster": cluster, "broker": _broker(cluster, os.getpid()), "save": False},
        )
    except Exception:
        logger.warning("could not ring %s", cluster, exc_info=True)


def ring_on_commit(cluster: str) -> None:
    transaction.on_commit(lambda: ring(cluster))


@lru_cache(maxsize=8)
def _broker(cluster: str, pid: int) -> Any:
    """One kept broker per process and queue: a new Redis connection per message would cost most of its time."""
    from django_q.brokers import get_broker

    return get_broker(cluster)
