"""What a person does to an account: switch it on and off, let it serve again, take it away, ask the provider about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from providers.errors import ProviderError
from providers.http.requests_driver import Threaded
from providers.loaded import registry
from providers.types import Snapshot

from . import ledger, secrets, sites
from .errors import Refused
from .models import ProviderAccount
from .money import to_micros

PROBE_SECONDS = 20.0
PROBE_EVERY = 300.0  # a stopped account is asked about again after this long
LOCKED_OUT = ("auth_failed", "session_expired", "session_revoked")


def switch_off(account: ProviderAccount, *, reason: str) -> None:
    ProviderAccount.objects.filter(pk=account.pk).update(status="disabled", status_reason=reason[:400])


def switch_on(account: ProviderAccount) -> None:
    """Back to work, whatever stopped it; if that still holds, the next job will say so."""
    ProviderAccount.objects.filter(pk=account.pk).update(
        status="active", status_reason="", cooldown_until=None, failure_streak=0
    )


def end_cooldown(account: ProviderAccount) -> None:
    ProviderAccount.objects.filter(pk=account.pk).update(cooldown_until=None, failure_streak=0)


def renewed(account: ProviderAccount) -> None:
    """New credentials were given: what failed for want of them may be tried again."""
    ProviderAccount.objects.filter(pk=account.pk, status="auth_required").update(status="active", status_reason="")


def remove(account: ProviderAccount) -> None:
    """Its secrets are erased and it serves nothing any more; what it did stays readable."""
    if account.leases.filter(expires_at__gt=timezone.now()).exists():
        raise Refused(
            "conflict",
            f"{account.label} is working on a job. Switch it off, and remove it when the job has ended.",
            status=409,
        )
    account.credentials.all().delete()
    ProviderAccount.objects.filter(pk=account.pk, deleted_at=None).update(deleted_at=timezone.now(), status="disabled")


def inspect(account: ProviderAccount) -> Snapshot:
    """Ask the provider who this is, how it stands and what it holds, and keep the answer. Refused in the provider's words."""
    try:
        found = _ask(account)
    except ProviderError as error:
        ProviderAccount.objects.filter(pk=account.pk).update(inspected_at=timezone.now())
        if error.code in LOCKED_OUT:
            ProviderAccount.objects.filter(pk=account.pk, status="active").update(
                status="auth_required", status_reason=error.message[:400]
            )
        raise Refused("probe_failed", f"{account.provider.name}: {error.message}") from None
    _keep(account, found)
    return found


def due(limit: int = 5) -> list[ProviderAccount]:
    """Accounts that may have come back by themselves: out of credits, or made here and needing no person."""
    stopped = Q(status="exhausted") | Q(status="auth_required", provider__kind="builtin")
    since = timezone.now() - timedelta(seconds=PROBE_EVERY)
    lately = Q(inspected_at__gt=since) & ~Q(provider__kind="builtin")
    rows = ProviderAccount.objects.filter(stopped, deleted_at=None).exclude(lately)
    return list(rows.select_related("provider").order_by("inspected_at")[:limit])


def _ask(account: ProviderAccount) -> Snapshot:
    entry = registry.get(account.provider.slug)
    if entry is None or entry.adapter is None or entry.catalogue is None:
        raise ProviderError("unavailable", "Its adapter is not installed here.")
    held, adapter, told = secrets.of(account), entry.adapter, sites.facts(account)
    found: Snapshot = call(account, "inspect", lambda: adapter.inspect(told, held, time.time()))
    return found


def call(account: ProviderAccount, verb: str, make: Callable[[], Any]) -> Any:
    """One verb about an account itself, with its credentials, within a person's patience."""
    entry = registry.get(account.provider.slug)
    if entry is None or entry.catalogue is None:
        raise ProviderError("unavailable", "Its adapter is not installed here.")
    catalogue = entry.catalogue
    if catalogue.kind == "builtin":
        return make()
    site = sites.site(catalogue, account, secrets.of(account), timeout=PROBE_SECONDS)
    return _driver().call(f"{catalogue.slug}.{verb}", make, site)


@lru_cache(maxsize=1)
def _driver() -> Threaded:
    return Threaded(private_hosts=settings.MEDIAGEN_PRIVATE_HOSTS)


def _keep(account: ProviderAccount, found: Snapshot) -> None:
    now = timezone.now()
    told = {name: getattr(found, name) for name in ("external_id", "email", "plan") if getattr(found, name)}
    ProviderAccount.objects.filter(pk=account.pk).update(
        inspected_at=now, facts={**account.facts, **found.facts}, **told
    )
    waiting = ProviderAccount.objects.filter(pk=account.pk)
    if found.ok:
        waiting.filter(status__in=["auth_required", "blocked"]).update(status="active", status_reason="")
    else:
        waiting.filter(status="active").update(status="auth_required", status_reason=found.note[:400])
    if found.ok and any(balance is None or balance > 0 for balance in found.balances.values()):
        waiting.filter(status="exhausted").update(status="active", status_reason="")
    for credit_type, balance in found.balances.items():
        amount = None if balance is None else to_micros(balance)
        ledger.sync(
            ledger.account_pool(account, credit_type),
            balance=amount,
            key=f"sync:{uuid4()}",
            note="As the provider says",
        )
