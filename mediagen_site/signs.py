"""Signs of life of the queue clusters, read from the database, and the bell for those that are silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from django.db import DatabaseError, close_old_connections
from django.db.models import Count, Max, Sum

from generations.bells import ring
from generations.models import Pulse, Step

from .supervisor import Sign

EVERY = 5.0  # seconds between looks
SILENT = 8.0  # seconds without a new pulse before a cluster is rung


class DatabaseSigns:
    """A thread that looks every few seconds; a database that hangs holds up this thread and nothing else."""

    def __init__(self, clusters: Sequence[str]) -> None:
        self.clusters = clusters
        self.latest: dict[str, Sign] | None = None
        self.pulses: dict[str, tuple[float, float]] = {}  # cluster -> (pulse, when we first saw or last rang it)
        self.wake = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="signs", daemon=True).start()

    def hurry(self) -> None:
        self.pulses.clear()
        self.wake.set()

    def take(self) -> dict[str, Sign] | None:
        """The newest look, once. An empty one: the database could not be asked."""
        latest, self.latest = self.latest, None
        return latest

    def _run(self) -> None:
        while True:
            self.latest = self.look()
            self.wake.wait(EVERY)
            self.wake.clear()

    def look(self) -> dict[str, Sign]:
        close_old_connections()
        try:
            signs = read(self.clusters)
            for cluster in self.silent(signs, time.monotonic()):
                ring(cluster)
            return signs
        except DatabaseError:
            return {}
        finally:
            close_old_connections()

    def silent(self, signs: dict[str, Sign], now: float) -> list[str]:
        """Clusters whose pulse has not moved for a while; a working slice needs no bell, and unread bells pile up."""
        due = []
        for cluster, sign in signs.items():
            pulse, since = self.pulses.get(cluster, (None, 0.0))
            if pulse is None or (now - since >= SILENT and pulse == sign.pulse):
                due.append(cluster)
            if cluster in due or pulse != sign.pulse:
                self.pulses[cluster] = (sign.pulse, now)
        return due


def read(clusters: Sequence[str]) -> dict[str, Sign]:
    pulses = dict(Pulse.objects.filter(cluster__in=clusters).values_list("cluster", "at"))
    claimed = Step.objects.filter(cluster__in=clusters, claimed=True).values("cluster")
    leases = {
        row["cluster"]: row
        for row in claimed.annotate(count=Count("pk"), seq=Sum("lease_seq"), until=Max("due_at")).order_by()
    }
    return {name: _sign(pulses.get(name, 0.0), leases.get(name)) for name in clusters}


def _sign(pulse: float, row: dict[str, float] | None) -> Sign:
    if row is None:
        return Sign(pulse=pulse, leases=(0, 0.0), busy=False)
    return Sign(pulse=pulse, leases=(int(row["seq"]), row["until"]), busy=row["until"] > time.time())
