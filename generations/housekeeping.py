"""The net below everything, once a minute at most: overdue rows are rung for, dead leases and old leftovers swept."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.core.cache import cache
from django.utils import timezone

from accounts import tending
from accounts.errors import Refused
from accounts.models import Lease, ProviderAccount
from generations.models import Step
from generations.models.generations import TERMINAL, Generation

from . import bells, files, inbox

logger = logging.getLogger("mediagen.housekeeping")
EVERY = 60
OVERDUE = 5.0


def run() -> None:
    if not cache.add("housekeeping", time.time(), EVERY):
        return
    ring_overdue()
    sweep()
    ask_after_stopped()


def ask_after_stopped() -> None:
    """Accounts that stopped for want of credits come back when their provider says there are some."""
    for account in tending.due():
        try:
            tending.inspect(account)
        except Refused as refusal:
            logger.info("%s is still stopped: %s", account, refusal.detail)


def ring_overdue() -> None:
    """Startup and schedule pick up whatever a crash left: rows whose time has come and nobody works on."""
    late = Step.objects.filter(due_at__lt=time.time() - OVERDUE).values_list("cluster", flat=True).distinct()
    for cluster in late:
        bells.ring(cluster)


def sweep() -> None:
    """Rows that mean nothing any more; each rule finds nothing in a healthy database."""
    from django_q.models import Failure

    Lease.objects.filter(expires_at__lt=timezone.now()).delete()
    cooled = ProviderAccount.objects.filter(cooldown_until__lt=timezone.now())
    cooled.filter(status="active").update(cooldown_until=None, status_reason="")
    cooled.update(cooldown_until=None)
    Step.objects.filter(generation__in=Generation.objects.filter(status__in=TERMINAL)).delete()
    Failure.objects.filter(stopped__lt=timezone.now() - timedelta(days=7)).delete()
    inbox.sweep(older_than=timedelta(days=2))
    files.sweep_scratch(older_than=86_400)
