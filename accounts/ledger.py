"""The only writer of money. Every verb adds one immutable entry under a unique key and moves the pool's cached figures
in one conditional UPDATE, so repeating a verb is harmless and no balance is ever read, changed and written back.

Callers hold a transaction open and call the ledger last in it, so the busy pool row is locked for the shortest time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q, Sum
from django.utils import timezone

from providers.models import Provider

from .errors import InsufficientCredits
from .models import Entry, Exchange, Pool, ProviderAccount, Workspace
from .money import short


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    kind: str
    amount: int = 0
    held: int = 0
    key: str
    reference: UUID | None = None
    note: str = ""
    actor: Any = None


def wallet(workspace: Workspace) -> Pool:
    return Pool.objects.get_or_create(workspace=workspace, defaults={"balance": 0})[0]


def account_pool(account: ProviderAccount, credit_type: str) -> Pool:
    return Pool.objects.get_or_create(account=account, credit_type=credit_type)[0]


def grant(pool: Pool, *, amount: int, key: str, note: str = "", actor: Any = None) -> Entry:
    return _write(pool, _Move(kind="grant", amount=amount, key=key, note=note, actor=actor))


def adjust(pool: Pool, *, amount: int, key: str, note: str, actor: Any = None) -> Entry:
    """A person's correction, either way, with a reason; a wallet cannot be taken below what is held."""
    return _write(pool, _Move(kind="adjust", amount=amount, key=key, note=note, actor=actor))


def hold(pool: Pool, *, amount: int, key: str, reference: UUID, note: str = "") -> Entry | None:
    """Set aside before the work; nothing to hold, no entry."""
    if amount == 0:
        return None
    return _write(pool, _Move(kind="hold", held=amount, key=key, reference=reference, note=note))


def capture(pool: Pool, *, amount: int, key: str, reference: UUID, note: str = "") -> Entry:
    """Take what it really cost out of the hold; what exceeds the hold is the caller's policy to allow."""
    covered = min(amount, open_hold(pool, reference))
    return _write(pool, _Move(kind="capture", amount=-amount, held=-covered, key=key, reference=reference, note=note))


def release(pool: Pool, *, key: str, reference: UUID, note: str = "") -> Entry | None:
    """Free whatever of the hold is still open."""
    still = open_hold(pool, reference)
    if still == 0:
        return None
    return _write(pool, _Move(kind="release", held=-still, key=key, reference=reference, note=note))


def refund(pool: Pool, *, amount: int, key: str, reference: UUID, note: str = "", actor: Any = None) -> Entry | None:
    if amount == 0:
        return None
    return _write(pool, _Move(kind="refund", amount=amount, key=key, reference=reference, note=note, actor=actor))


def sync(pool: Pool, *, balance: int | None, key: str, note: str = "") -> int:
    """Bring an account's pool to what the provider says; the difference becomes an entry and is returned."""
    with transaction.atomic():
        locked = Pool.objects.select_for_update().get(pk=pool.pk)
        if balance is None:
            Pool.objects.filter(pk=pool.pk).update(balance=None, unlimited=True, synced_at=timezone.now())
            return 0
        known = locked.balance if locked.balance is not None else _sum(pool)
        Pool.objects.filter(pk=pool.pk).update(balance=known, unlimited=False, synced_at=timezone.now())
        if balance != known:
            return _write(pool, _Move(kind="sync", amount=balance - known, key=key, note=note)).amount
        return 0


def open_hold(pool: Pool, reference: UUID) -> int:
    """What is still set aside for one generation or attempt."""
    return pool.entries.filter(reference=reference).aggregate(total=Sum("held_change"))["total"] or 0


def exchange(provider: Provider, credit_type: str) -> Exchange:
    """What one unit of it costs in wallet credits: the operator's row for it, for all, else the catalogue's figure."""
    rows = Exchange.objects.filter(Q(provider=provider) | Q(provider__isnull=True), credit_type=credit_type)
    found = rows.order_by(F("provider").asc(nulls_last=True)).first()
    return found or Exchange(provider=provider, credit_type=credit_type, credits=_catalogue_rate(provider, credit_type))


def _catalogue_rate(provider: Provider, credit_type: str) -> Any:
    from decimal import Decimal

    for row in provider.catalogue.get("credit_types", []):
        if row.get("key") == credit_type:
            return Decimal(str(row.get("credits", "1")))
    return Decimal(1)


def _sum(pool: Pool) -> int:
    return pool.entries.aggregate(total=Sum("amount"))["total"] or 0


def _write(pool: Pool, move: _Move) -> Entry:
    """Claim the key, move the figures, note where that left them. A key already used: its entry, nothing moved."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                entry = Entry.objects.create(
                    pool=pool, kind=move.kind, amount=move.amount, held_change=move.held, balance_after=None, held_after=0,
                    key=move.key, reference=move.reference, note=move.note[:400], actor=move.actor,
                )  # fmt: skip
        except IntegrityError:
            return _repeated(pool, move)
        _move(pool, move)
        after = Pool.objects.values_list("balance", "held").get(pk=pool.pk)
        Entry.objects.filter(pk=entry.pk).update(balance_after=after[0], held_after=after[1])
        entry.balance_after, entry.held_after = after
        return entry


def _repeated(pool: Pool, move: _Move) -> Entry:
    entry = Entry.objects.filter(pool=pool, key=move.key).first()
    if entry is None:
        raise ValueError(f"The ledger refuses this {move.kind} of {move.amount}/{move.held}: a constraint forbids it.")
    return entry


def _move(pool: Pool, move: _Move) -> None:
    """One conditional UPDATE; no row means a wallet cannot afford it."""
    rows = Pool.objects.filter(pk=pool.pk)
    if not pool.workspace_id and move.held > 0:
        known = Q(balance__isnull=False, unlimited=False)
        rows = rows.filter(~known | Q(balance__gte=F("held") + move.held))
    if pool.workspace_id and (move.amount < 0 or move.held > 0):
        rows = rows.filter(balance__gte=F("held") + move.held - move.amount)
    if not rows.update(balance=F("balance") + move.amount, held=F("held") + move.held):
        fresh = Pool.objects.get(pk=pool.pk)
        raise InsufficientCredits(
            f"This needs {short(move.held - move.amount)} credits and {short((fresh.balance or 0) - fresh.held)} are available. "
            "Add credits to the wallet or choose something cheaper."
        )
