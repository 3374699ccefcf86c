"""The admin's first page: what is stuck, what is failing, how late results are, what is running out, what it costs.

A fixed number of queries, whatever the number of rows; each list shows the worst few and links to the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.utils import timezone
from django.utils.timesince import timesince

from accounts.models import Entry, Pool, ProviderAccount
from accounts.money import short
from generations.models import Attempt, Generation, Pulse, Step
from generations.models.generations import LIVE, State, Status
from providers.models import Capability, Provider

CLUSTERS = ("default", "poll", "io")
OVERDUE = 60.0  # seconds a step may be late before it is called stuck
SILENT = 60.0  # seconds without a pulse before a cluster is called silent
SHOWN = 6
SAMPLE = 2000  # latest results the times are taken from
DAYS = 14
LOW_DAYS = 7.0  # a pool that will not last this long at this week's pace is running out
CHART = (560, 120)  # width and height of the chart's own units


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    now = timezone.now()
    return {
        **context,
        "stuck": stuck(now),
        "failing": failing(now),
        "late": lateness(now),
        "low": running_out(now),
        "cost": spending(timezone.localdate()),
        "site": site_facts(),
    }


# -- stuck ---------------------------------------------------------------------------------------------------------------
def stuck(now: datetime) -> dict[str, Any]:
    late = Step.objects.filter(due_at__lt=now.timestamp() - OVERDUE).exclude(generation__status=Status.PAUSED)
    unknown = Attempt.objects.filter(state__in=[State.UNKNOWN, State.EXPIRED], charged="unknown")
    live = dict(Generation.objects.filter(status__in=LIVE).values_list("status").annotate(count=Count("pk")))
    return {
        "overdue": late.count(),
        "overdue_rows": late.select_related("generation__capability__provider").order_by("due_at")[:SHOWN],
        "unknown": unknown.count(),
        "unknown_rows": unknown.select_related("generation", "capability__provider", "account").order_by("created_at")[
            :SHOWN
        ],
        "clusters": pulses(now.timestamp()),
        "live": [(str(Status(status).label), live[status]) for status in LIVE if status in live],
    }


def pulses(now: float) -> list[dict[str, Any]]:
    stamps = dict(Pulse.objects.values_list("cluster", "at"))
    return [
        {
            "name": name,
            "since": timesince(datetime.fromtimestamp(stamps[name], UTC)) if stamps.get(name) else "",
            "silent": now - stamps.get(name, 0) > SILENT,
        }
        for name in CLUSTERS
    ]


# -- failing -------------------------------------------------------------------------------------------------------------
def failing(now: datetime) -> dict[str, Any]:
    ended = Attempt.objects.filter(
        finished_at__gte=now - timedelta(days=1), state__in=[State.SUCCEEDED, State.FAILED, State.EXPIRED]
    )
    done, wrong = Count("pk", filter=Q(state=State.SUCCEEDED)), Count("pk", filter=~Q(state=State.SUCCEEDED))
    rows = ended.values(name=F("capability__provider__name"), provider=F("capability__provider_id")).annotate(
        done=done, wrong=wrong
    )
    rates = [
        {**row, "total": row["done"] + row["wrong"], "percent": round(100 * row["done"] / (row["done"] + row["wrong"]))}
        for row in rows
    ]
    codes = (
        ended.exclude(error_code="")
        .values_list("error_code")
        .annotate(count=Count("pk"))
        .order_by("-count", "error_code")
    )
    troubled = Provider.objects.filter(
        Q(open_until__gt=now) | Q(fuse_at__isnull=False) | ~Q(problem="") | Q(health="down")
    )
    return {
        "rates": sorted(rates, key=lambda row: (row["percent"], -row["total"])),
        "codes": list(codes[:SHOWN]),
        "providers": [{"row": row, "why": _trouble(row, now)} for row in troubled],
    }


def _trouble(row: Provider, now: datetime) -> str:
    if row.problem:
        return "could not be loaded"
    if row.fuse_at:
        return "fuse blown: a captured session was revoked"
    if row.open_until and row.open_until > now:
        return f"breaker open until {timezone.localtime(row.open_until):%H:%M:%S}"
    return row.health_note or "down"


# -- late ----------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Spread:
    p50: float | None
    p95: float | None
    count: int


def lateness(now: datetime) -> dict[str, Spread]:
    """Queue: from asked for to begun. Ours: from the provider's end to visible here. Whole: from asked for to visible."""
    ended = Attempt.objects.filter(
        state=State.SUCCEEDED, generation__status=Status.SUCCEEDED, generation__finished_at__gte=now - timedelta(days=1)
    )
    times = list(
        ended.order_by("-generation__finished_at").values_list(
            "generation__created_at", "generation__started_at", "finished_at", "generation__finished_at"
        )[:SAMPLE]
    )
    return {
        "queue": spread([(started - created).total_seconds() for created, started, _, _ in times if started]),
        "ours": spread(
            [(visible - finished).total_seconds() for _, _, finished, visible in times if finished and visible]
        ),
        "whole": spread([(visible - created).total_seconds() for created, _, _, visible in times if visible]),
    }


def spread(seconds: Sequence[float]) -> Spread:
    ranked = sorted(seconds)
    if not ranked:
        return Spread(None, None, 0)
    p50, p95 = (ranked[min(int(len(ranked) * share), len(ranked) - 1)] for share in (0.5, 0.95))
    return Spread(p50, p95, len(ranked))


# -- running out ---------------------------------------------------------------------------------------------------------
def running_out(now: datetime) -> dict[str, Any]:
    """Pools that will not last a week at the pace of the last one, and accounts that need a person."""
    spent = Q(entries__kind="capture", entries__created_at__gte=now - timedelta(days=7))
    pools = Pool.objects.filter(balance__isnull=False, unlimited=False).annotate(
        week=Sum("entries__amount", filter=spent)
    )
    moving = pools.filter(Q(week__lt=0) | Q(balance__lte=F("held"), account__isnull=False)).select_related(
        "workspace", "account__provider"
    )
    rows = sorted((_forecast(pool) for pool in moving), key=lambda row: row["days"])
    waiting = ProviderAccount.objects.filter(
        status__in=["auth_required", "exhausted", "blocked"], deleted_at=None
    ).select_related("provider")
    soon = Capability.objects.filter(retires_on__lte=now.date() + timedelta(days=60), missing=False).exclude(
        lifecycle="retired"
    )
    return {
        "pools": [row for row in rows if row["days"] < LOW_DAYS][:SHOWN],
        "accounts": waiting.order_by("status", "label")[:SHOWN],
        "account_count": waiting.count(),
        "retiring": soon.select_related("provider").order_by("retires_on")[:SHOWN],
    }


def _forecast(pool: Any) -> dict[str, Any]:
    free, daily = (pool.balance or 0) - pool.held, -(pool.week or 0) / 7
    days = max(free, 0) / daily if daily else 0.0
    return {"pool": pool, "free": short(free), "daily": short(round(daily)), "days": days}


# -- cost ----------------------------------------------------------------------------------------------------------------
def spending(today: date) -> dict[str, Any]:
    """What wallets paid: by day for the chart, by provider for the table beside it."""
    first = today - timedelta(days=DAYS - 1)
    ended = Generation.objects.filter(charged_micros__gt=0, finished_at__date__gte=first)
    by_day = dict(ended.annotate(day=TruncDate("finished_at")).values_list("day").annotate(total=Sum("charged_micros")))
    by_provider = (
        ended.values_list("capability__provider__name")
        .annotate(total=Sum("charged_micros"), count=Count("pk"))
        .order_by("-total")
    )
    days = [(first + timedelta(days=number), by_day.get(first + timedelta(days=number), 0)) for number in range(DAYS)]
    granted = Entry.objects.filter(kind="grant", pool__workspace__isnull=False, created_at__date__gte=first).aggregate(
        total=Sum("amount")
    )
    return {
        "bars": bars(days),
        "width": CHART[0],
        "height": CHART[1],
        "total": short(sum(amount for _, amount in days)),
        "today": short(days[-1][1]),
        "top": short(max(amount for _, amount in days)),
        "providers": [
            {"name": name, "total": short(total), "count": count} for name, total, count in by_provider[:SHOWN]
        ],
        "granted": short(granted["total"] or 0),
    }


def bars(days: Sequence[tuple[date, int]]) -> list[dict[str, Any]]:
    """One bar a day in the chart's units; a day with any spending at all is never invisible."""
    width, height = CHART
    slot, most = width / len(days), max(amount for _, amount in days) or 1
    rows: list[dict[str, Any]] = []
    for number, (day, amount) in enumerate(days):
        tall = max(2.0, height * amount / most) if amount else 0.0
        place = {
            "x": round(number * slot + slot * 0.15, 1),
            "y": round(height - tall, 1),
            "w": round(slot * 0.7, 1),
            "h": round(tall, 1),
        }
        rows.append(
            {
                "day": day,
                "amount": short(amount),
                **place,
                "middle": round((number + 0.5) * slot, 1),
                "last": number == len(days) - 1,
            }
        )
    return rows


# -- the site ------------------------------------------------------------------------------------------------------------
def site_facts() -> list[tuple[str, str]]:
    hosts = ", ".join(sorted(f"{host}:{port}" for host, port in settings.MEDIAGEN_PRIVATE_HOSTS))
    return [
        ("Mode when nothing else says", settings.MEDIAGEN_MODE),
        ("Our address from outside", settings.APP_URL or "not set: no callbacks, no addresses for inputs"),
        ("Database", str(settings.DATABASES["default"]["ENGINE"]).rpartition(".")[2]),
        ("Queue", "Redis" if settings.REDIS_URL else "the database"),
        ("Files", "an S3-compatible store" if settings.STORAGE_URL else "this machine's disk"),
        ("Private hosts that may be fetched from", hosts or "none"),
    ]
