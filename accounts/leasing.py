"""Slots on accounts: who may serve an attempt now, and taking a place there. A lease ends by itself, so none can leak."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from providers.models import Capability

from . import secrets
from .choosing import Candidate, Decision, choose
from .models import Lease, Pool, ProviderAccount, Workspace

RETRY_SECONDS = 15.0  # when nobody can say until when


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One capability that could do the job, and what an account pays for it there."""

    capability: Capability
    credit_type: str
    cost: int
    needs_account: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was decided, and everything needed to explain it."""

    offer: Offer | None = None
    account: ProviderAccount | None = None
    slot: int = 0
    reason: str = ""
    seconds: float = RETRY_SECONDS
    never: bool = False
    decisions: dict[str, Decision] = field(default_factory=dict)

    @property
    def served(self) -> bool:
        return self.offer is not None

    def explain(self) -> dict[str, Any]:
        return {
            "reason": self.reason,
            "models": {name: decision.explain() for name, decision in self.decisions.items()},
        }


def pick(offers: Sequence[Offer], *, workspace: Workspace, pinned: UUID | None = None) -> Choice:
    """The first offer an account can serve now; fallbacks come into play where the one before has nobody with credits."""
    decisions: dict[str, Decision] = {}
    waiting: Choice | None = None
    for offer in offers:
        if not offer.needs_account:
            return Choice(offer=offer, reason="needs no account", decisions=decisions)
        accounts, candidates = _candidates(offer, workspace)
        decision = choose(candidates, now=time.time(), pinned=str(pinned) if pinned else None)
        decisions[offer.capability.model_id] = decision
        if decision.chosen:
            account = accounts[decision.chosen]
            return Choice(offer=offer, account=account, reason=f"{account.label} serves it", decisions=decisions)
        if not decision.never and waiting is None:
            waiting = _waiting(offer, decision, decisions)
        if not decision.penniless:
            break
    return waiting or Choice(never=True, reason=_why_never(offers, decisions), decisions=decisions)


def _waiting(offer: Offer, decision: Decision, decisions: dict[str, Decision]) -> Choice:
    now = time.time()
    known = [item.until for item in decision.excluded if item.until]
    open_to_change = [item for item in decision.excluded if not item.never]
    seconds = max(1.0, min(known) - now) if known else 2.0 if "busy" in open_to_change[0].reason else RETRY_SECONDS
    told = sorted({f"{item.label}: {item.reason.rstrip('.')}" for item in open_to_change})[:3]
    return Choice(reason=f"Waiting: {'; '.join(told)}.", seconds=min(seconds, 300), decisions=decisions)


def _why_never(offers: Sequence[Offer], decisions: dict[str, Decision]) -> str:
    reasons = sorted(
        {
            f"{item.label}: {item.reason.rstrip('.')}"
            for decision in decisions.values()
            for item in decision.excluded
            if item.reason
        }
    )
    name = offers[0].capability.provider.name if offers else "this provider"
    if not reasons:
        return f"No {name} account is connected. Connect one under Accounts, or give its key in the environment."
    return f"No {name} account can serve this: {'; '.join(reasons[:3])}."


def _candidates(offer: Offer, workspace: Workspace) -> tuple[dict[str, ProviderAccount], list[Candidate]]:
    provider = offer.capability.provider
    rows = (
        ProviderAccount.objects.usable_by(workspace)
        .filter(provider=provider, deleted_at=None)
        .select_related("provider")
        .prefetch_related("credentials")
    )
    accounts = {str(row.pk): row for row in rows}
    pools = {
        pool.account_id: pool
        for pool in Pool.objects.filter(account__in=accounts.values(), credit_type=offer.credit_type)
    }
    used: dict[Any, int] = defaultdict(int)
    for account_id in Lease.objects.filter(account__in=accounts.values(), expires_at__gt=timezone.now()).values_list(
        "account_id", flat=True
    ):
        used[account_id] += 1
    return accounts, [_candidate(row, offer, pools.get(row.pk), used[row.pk]) for row in accounts.values()]


def _candidate(row: ProviderAccount, offer: Offer, pool: Pool | None, in_use: int) -> Candidate:
    provider = offer.capability.provider
    return Candidate(
        id=str(row.pk), label=row.label, site_wide=row.workspace_id is None, status=row.status, status_reason=row.status_reason,
        cooling_until=_stamp(row.cooldown_until), provider_closed_until=_stamp(provider.open_until),
        fuse_tripped=provider.fuse_at is not None, captured=row.origin == "capture", missing_secrets=tuple(secrets.missing(row)),
        available=None if pool is None or pool.balance is None else pool.balance - pool.held, unlimited=bool(pool and pool.unlimited),
        cost=offer.cost, in_use=in_use, limit=limit_of(row, provider), priority=row.priority, last_used=_stamp(row.last_used_at) or 0,
    )  # fmt: skip


def limit_of(account: ProviderAccount, provider: Any) -> int:
    """Jobs at once: the account's own figure, the operator's, the catalogue's, else four."""
    for figure in (account.max_concurrency, provider.concurrency_override, provider.catalogue.get("concurrency")):
        if figure is not None:
            return int(figure)
    return 4


def _stamp(moment: Any) -> float | None:
    return moment.timestamp() if moment else None


def take(choice: Choice, *, attempt_id: UUID, seconds: float) -> bool:
    """A numbered place at the account; False when another worker took the last one in this very moment."""
    account, offer = choice.account, choice.offer
    if account is None or offer is None:
        return True
    now = timezone.now()
    Lease.objects.filter(account=account, expires_at__lte=now).delete()
    taken = set(Lease.objects.filter(account=account).values_list("slot", flat=True))
    for slot in (number for number in range(limit_of(account, offer.capability.provider)) if number not in taken):
        try:
            with transaction.atomic():
                Lease.objects.create(
                    account=account,
                    attempt=attempt_id,
                    slot=slot,
                    operation=offer.capability.operation,
                    expires_at=now + timedelta(seconds=seconds),
                )
        except IntegrityError:
            continue
        ProviderAccount.objects.filter(pk=account.pk).update(last_used_at=now)
        return True
    return False


def extend(attempt_id: UUID, *, seconds: float) -> None:
    Lease.objects.filter(attempt=attempt_id).update(expires_at=timezone.now() + timedelta(seconds=seconds))


def free(attempt_id: UUID) -> None:
    Lease.objects.filter(attempt=attempt_id).delete()


def busy(workspace: Workspace) -> int:
    return Lease.objects.filter(
        Q(account__workspace=workspace) | Q(account__workspace__isnull=True), expires_at__gt=timezone.now()
    ).count()
