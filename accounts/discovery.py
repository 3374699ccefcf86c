"""Models a provider lists at run time, kept as capabilities beside the catalogue's own; those it no longer lists are hidden."""

from __future__ import annotations

import time
from typing import Any

from providers.catalogue import discovered
from providers.errors import AuthorError, CatalogueError, ProviderError
from providers.loaded import registry
from providers.models import Capability, Provider
from providers.sync import write

from . import secrets, sites, tending
from .errors import Refused
from .models import ProviderAccount


def discover(account: ProviderAccount) -> dict[str, int]:
    """Ask this account's provider what it offers. Returns how many were listed, changed and hidden."""
    entry = registry.get(account.provider.slug)
    if entry is None or entry.adapter is None or entry.catalogue is None:
        raise Refused("unavailable", f"The adapter of {account.provider.name} is not installed here.")
    if not entry.adapter.implements("discover"):
        raise Refused("unsupported", f"{account.provider.name} lists no models at run time.")
    try:
        rows = _ask(account, entry.adapter)
        found = discovered(entry.catalogue, rows)
    except (ProviderError, AuthorError, CatalogueError) as error:
        raise Refused("discovery_failed", f"{account.provider.name}: {error}") from None
    return _keep(account.provider, found, entry.catalogue)


def _ask(account: ProviderAccount, adapter: Any) -> list[dict[str, Any]]:
    held, facts = secrets.of(account), sites.facts(account)
    rows: list[dict[str, Any]] = tending.call(account, "discover", lambda: adapter.discover(facts, held, time.time()))
    return rows


def _keep(provider: Provider, found: Any, catalogue: Any) -> dict[str, int]:
    """A model of the catalogue stays the catalogue's: discovery only adds."""
    own = {(spec.model, spec.operation) for spec in catalogue.capabilities}
    known = {(row.model, row.operation): row for row in provider.capabilities.filter(origin="discovered")}
    changed = 0
    for spec in found:
        key = (spec.model, spec.operation)
        if key not in own:
            changed += write(provider, spec, known.pop(key, None), origin="discovered", operations=catalogue)
    gone = [row.pk for row in known.values() if not row.missing]
    hidden = Capability.objects.filter(pk__in=gone).update(missing=True)
    return {"listed": len(found), "changed": changed, "hidden": hidden}


def accounts_of(slug: str = "") -> list[ProviderAccount]:
    """One working account of each provider that can discover, or of the one named."""
    rows = ProviderAccount.objects.filter(status="active", deleted_at=None, workspace=None).select_related("provider")
    rows = rows.filter(provider__slug=slug) if slug else rows
    first: dict[int, ProviderAccount] = {}
    for row in rows.order_by("created_at"):
        entry = registry.get(row.provider.slug)
        if entry is not None and entry.adapter is not None and entry.adapter.implements("discover"):
            first.setdefault(row.provider_id, row)
    return list(first.values())
