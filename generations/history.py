"""What our own past says of a capability: how long it takes, how often it succeeds. Cached for a minute."""

from __future__ import annotations

from django.core.cache import cache

from generations.models import Attempt
from generations.models.generations import State
from providers.models import Capability

from . import specs

SAMPLE = 50
KEEP = 60


def quantiles(row: Capability) -> dict[str, float] | None:
    """Seconds from accepted to finished over the last runs (p20, p50, p90), or None before there are three."""
    key = f"history:{row.pk}"
    found = cache.get(key)
    if found is None:
        found = _measure(row)
        cache.set(key, found, KEEP)
    return found or None


def _measure(row: Capability) -> dict[str, float]:
    times = Attempt.objects.filter(capability=row, state=State.SUCCEEDED, finished_at__isnull=False).order_by(
        "-finished_at"
    )
    taken = sorted(
        (finished - (accepted or created)).total_seconds()
        for created, accepted, finished in times.values_list("created_at", "accepted_at", "finished_at")[:SAMPLE]
        if finished
    )
    if len(taken) < 3:
        return {}
    return {
        name: taken[min(int(len(taken) * share), len(taken) - 1)]
        for name, share in (("p20", 0.2), ("p50", 0.5), ("p90", 0.9))
    }


def expected(row: Capability) -> float | None:
    """The seconds to show beside a quote: our median, else the catalogue's prior."""
    measured = quantiles(row)
    return measured["p50"] if measured else specs.of(row).expected_seconds


def success_share(row: Capability) -> float:
    """Of the last runs that ended at the provider; 0.5 before there are any."""
    ended = Attempt.objects.filter(capability=row, state__in=[State.SUCCEEDED, State.FAILED, State.EXPIRED])
    states = list(ended.order_by("-finished_at").values_list("state", flat=True)[:SAMPLE])
    return states.count(State.SUCCEEDED) / len(states) if states else 0.5
