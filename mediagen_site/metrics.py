"""Prometheus figures read from the database at the moment of asking: right for every process, whoever answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Count, Min, Sum
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import Lease, Pool, ProviderAccount
from accounts.money import MICROS
from generations.models import Asset, Blob, Generation, Pulse, Step
from generations.models.generations import LIVE, TERMINAL
from providers.models import Provider


class Metrics(APIView):
    """For staff: the browser session, or a staff member's key with the admin scope."""

    scopes = {"GET": "admin"}

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        if not request.user.is_staff:
            raise PermissionDenied
        registry = CollectorRegistry()
        registry.register(FromDatabase())
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class FromDatabase(Collector):
    def collect(self) -> Iterator[Metric]:
        yield from _generations()
        yield from _queue()
        yield from _money()
        yield from _providers()
        yield from _storage()


def _gauge(name: str, text: str, values: Mapping[Any, float], labels: tuple[str, ...] = ()) -> Metric:
    metric = GaugeMetricFamily(f"mediagen_{name}", text, labels=labels)
    for where, value in values.items():
        metric.add_metric(where, float(value))
    return metric


def _generations() -> Iterator[Metric]:
    live = dict(Generation.objects.filter(status__in=LIVE).order_by().values_list("status").annotate(Count("pk")))
    yield _gauge(
        "generations_live", "Generations under way.", {(str(name),): live.get(name, 0) for name in LIVE}, ("status",)
    )
    hour = timezone.now() - timedelta(hours=1)
    ended = Generation.objects.filter(status__in=TERMINAL, finished_at__gt=hour).order_by()
    rows = ended.values_list("capability__provider__slug", "status").annotate(Count("pk"))
    values = {(slug, status): count for slug, status, count in rows}
    yield _gauge("generations_ended_hour", "Generations that ended within the hour.", values, ("provider", "status"))
    unknown = Generation.objects.filter(unknown=True).count()
    yield _gauge("generations_unknown", "Submits whose outcome is not known.", {(): unknown})


def _queue() -> Iterator[Metric]:
    now = time.time()
    due = Step.objects.filter(due_at__lte=now).order_by().values_list("cluster").annotate(Count("pk"), Min("due_at"))
    late = {name: (count, now - oldest) for name, count, oldest in due}
    pulses = dict(Pulse.objects.values_list("cluster", "at"))
    names = [name for name, _ in Step.CLUSTERS]
    yield _gauge(
        "steps_due", "Steps whose time has come.", {(name,): late.get(name, (0, 0))[0] for name in names}, ("cluster",)
    )
    yield _gauge(
        "steps_late_seconds",
        "How late the oldest due step is.",
        {(name,): late.get(name, (0, 0))[1] for name in names},
        ("cluster",),
    )
    yield _gauge(
        "pulse_age_seconds",
        "Since a cluster's last sign of life.",
        {(name,): now - at for name, at in pulses.items()},
        ("cluster",),
    )


def _money() -> Iterator[Metric]:
    wallets = Pool.objects.filter(workspace__isnull=False).aggregate(balance=Sum("balance"), held=Sum("held"))
    for name, text in (("balance", "Credits in all wallets."), ("held", "Credits held in all wallets.")):
        yield _gauge(f"wallet_{name}_credits", text, {(): (wallets[name] or 0) / MICROS})
    day = timezone.now() - timedelta(days=1)
    rows = (
        Generation.objects.filter(finished_at__gt=day)
        .order_by()
        .values_list("capability__provider__slug")
        .annotate(Sum("charged_micros"))
    )
    spent = {(slug,): (micros or 0) / MICROS for slug, micros in rows}
    yield _gauge("charged_day_credits", "Credits charged within a day.", spent, ("provider",))


def _providers() -> Iterator[Metric]:
    providers = list(Provider.objects.filter(missing=False))
    now = timezone.now()
    enabled = {(row.slug,): row.is_enabled for row in providers}
    yield _gauge("provider_enabled", "1 when switched on.", enabled, ("provider",))
    closed = {(row.slug,): bool(row.open_until and row.open_until > now) for row in providers}
    yield _gauge("provider_breaker_open", "1 while no submits are sent because of failures.", closed, ("provider",))
    yield _gauge(
        "provider_failure_streak",
        "Failures in a row.",
        {(row.slug,): row.failure_streak for row in providers},
        ("provider",),
    )
    accounts = (
        ProviderAccount.objects.filter(deleted_at=None)
        .order_by()
        .values_list("provider__slug", "status")
        .annotate(Count("pk"))
    )
    yield _gauge(
        "accounts",
        "Accounts at providers.",
        {(slug, status): count for slug, status, count in accounts},
        ("provider", "status"),
    )
    busy = (
        Lease.objects.filter(expires_at__gt=now).order_by().values_list("account__provider__slug").annotate(Count("pk"))
    )
    yield _gauge("leases", "Places in use on accounts.", {(slug,): count for slug, count in busy}, ("provider",))


def _storage() -> Iterator[Metric]:
    blobs = Blob.objects.aggregate(count=Count("pk"), bytes=Sum("bytes"))
    yield _gauge("blobs", "Files kept.", {(): blobs["count"]})
    yield _gauge("blob_bytes", "Bytes kept.", {(): blobs["bytes"] or 0})
    assets = Asset.objects.filter(deleted_at=None).order_by().values_list("kind").annotate(Count("pk"))
    yield _gauge("assets", "Assets by kind.", {(kind,): count for kind, count in assets}, ("kind",))
