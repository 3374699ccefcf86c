"""The child that watches the queue clusters: reads their signs of life from the database and rings those that are silent.

What it saw goes to the supervisor as a line of output; a database that hangs holds up this process and no other.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import DatabaseError, close_old_connections
from django.db.models import Max, Sum

from generations.bells import ring
from generations.models import Pulse, Step

from .supervisor import Sign, write_signs

EVERY = 2.5  # seconds between looks
SILENT = 8.0  # seconds without a new pulse before a cluster is rung …
SILENT_LATE = 2.0  # … and while a step of it is overdue: its worker has probably died


def watch(clusters: Sequence[str]) -> None:
    bells = Bells()
    while True:
        print(write_signs(look(clusters, bells)), flush=True)
        time.sleep(EVERY)


def look(clusters: Sequence[str], bells: Bells) -> dict[str, Sign]:
    """Nothing when the database cannot be asked: then nobody is judged."""
    close_old_connections()
    try:
        signs = read(clusters)
        for cluster in bells.due(signs, time.monotonic(), late(clusters)):
            ring(cluster)
        return signs
    except DatabaseError:
        return {}
    finally:
        close_old_connections()


class Bells:
    """Whom to ring: a slice at work needs no bell, and unread bells pile up."""

    def __init__(self) -> None:
        self.pulses: dict[str, tuple[float, float]] = {}  # cluster -> (pulse, when it was new or last rung for)

    def due(self, signs: dict[str, Sign], now: float, late: Collection[str] = ()) -> list[str]:
        return [
            cluster
            for cluster, sign in signs.items()
            if self._silent(cluster, sign.pulse, now, SILENT_LATE if cluster in late else SILENT)
        ]

    def _silent(self, cluster: str, pulse: float, now: float, patience: float) -> bool:
        before, since = self.pulses.get(cluster, (None, 0.0))
        silent = before is None or (before == pulse and now - since >= patience)
        if silent or before != pulse:
            self.pulses[cluster] = (pulse, now)
        return silent


def late(clusters: Sequence[str]) -> set[str]:
    """Clusters with a step whose time, or whose lease, has passed."""
    overdue = Step.objects.filter(cluster__in=clusters, due_at__lt=time.time() - 1).order_by()
    return set(overdue.values_list("cluster", flat=True).distinct())


def read(clusters: Sequence[str]) -> dict[str, Sign]:
    pulses = dict(Pulse.objects.filter(cluster__in=clusters).values_list("cluster", "at"))
    claimed = Step.objects.filter(cluster__in=clusters, claimed=True).order_by().values("cluster")
    leases = {row["cluster"]: row for row in claimed.annotate(seq=Sum("lease_seq"), until=Max("due_at"))}
    return {name: _sign(pulses.get(name, 0.0), leases.get(name)) for name in clusters}


def _sign(pulse: float, row: Mapping[str, Any] | None) -> Sign:
    if row is None:
        return Sign(pulse=pulse, leases=(0, 0.0), busy=False)
    return Sign(pulse=pulse, leases=(int(row["seq"]), row["until"]), busy=row["until"] > time.time())
