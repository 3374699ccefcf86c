"""An account as the provider layer sees it: the facts an adapter may know, and the place the engine calls."""

from __future__ import annotations

from decimal import Decimal

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
    http = catalogue.http
    own = account.base_url if account else ""
    return Site(
        name=catalogue.name,
        base_url=own or str(http.get("base_url", "")),
        auth=http.get("auth") or (),
        secrets=held,
        errors=[rule.row() for rule in catalogue.errors],
        hosts=tuple(http.get("hosts") or ()),
        headers=http.get("headers") or {},
        api_version=(account.api_version if account else "") or str(http.get("api_version", "")),
        timeout=timeout,
        total=total,
        guarded=bool(own and account and account.workspace_id),
        code_at=http.get("code_at") or (),
        message_at=http.get("message_at") or (),
    )
