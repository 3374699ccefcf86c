"""An account as the provider layer sees it: the facts an adapter may know, and the place the engine calls."""

from __future__ import annotations

from decimal import Decimal

from providers import places
from providers.catalogue_types import Catalogue
from providers.http.wire import Site
from providers.types import AccountFacts

from .models import ProviderAccount
from .money import MICROS


def facts(account: ProviderAccount) -> AccountFacts:
    return AccountFacts(
        id=str(account.pk), external_id=account.external_id, email=account.email, label=account.label, plan=account.plan,
        base_url=account.base_url, api_version=account.api_version, facts=account.facts, balances=_balances(account),
    )  # fmt: skip


def _balances(account: ProviderAccount) -> dict[str, Decimal | None]:
    return {
        pool.credit_type: None if pool.balance is None else Decimal(pool.balance) / MICROS
        for pool in account.pools.all()
    }


def site(
    catalogue: Catalogue, account: ProviderAccount | None, held: dict[str, str], *, timeout: float, total: float = 900.0
) -> Site:
    """The account's own address stands above the catalogue's; one a workspace has set is guarded."""
    if account is None:
        return places.site(catalogue, held, timeout=timeout, total=total)
    own = bool(account.base_url and account.workspace_id)
    return places.site(
        catalogue, held, timeout=timeout, total=total, base_url=account.base_url, api_version=account.api_version, guarded=own
    )  # fmt: skip
