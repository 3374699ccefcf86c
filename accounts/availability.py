"""Whether a workspace could use a provider or capability right now, and the sentence that says why not.

Loaded once per request: two queries, whatever the number of providers shown.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.conf import settings
from django.utils import timezone

from providers.loaded import MOCK
from providers.models import Capability, Provider

from . import secrets
from .models import Exchange, ProviderAccount, Workspace

# an account's status -> what the person is told, worst remedy last
STATUSES = {
    "exhausted": "is out of credits",
    "auth_required": "needs signing in again",
    "blocked": "is blocked by the provider",
    "disabled": "is switched off",
}


class Availability:
    """`provider(row)` and `capability(row)` answer the reason it cannot be used, or "" when it can."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._accounts: dict[int, list[ProviderAccount]] = defaultdict(list)
        rows = ProviderAccount.objects.usable_by(workspace).filter(deleted_at=None)
        for row in rows.select_related("provider").prefetch_related("credentials"):
            self._accounts[row.provider_id].append(row)
        self._known: dict[int, str] = {}

    def provider(self, row: Provider) -> str:
        if row.pk not in self._known:
            self._known[row.pk] = _switched(row) or self._served(row)
        return self._known[row.pk]

    def capability(self, row: Capability) -> str:
        return self._own(row) or self.provider(row.provider)

    def mode(self, row: Provider) -> str:
        """What a generation there would run as: the workspace's word, the provider's, the site's."""
        if row.slug == MOCK:
            return "mock"
        if row.kind == "builtin":
            return "live"
        return self.workspace.mode_override or row.mode_override or settings.MEDIAGEN_MODE

    def _own(self, row: Capability) -> str:
        spec = row.spec
        if row.missing:
            return f"{row.model_id} is no longer in the catalogue."
        if row.enabled_override is False:
            return f"{row.model_id} is switched off here."
        if row.lifecycle == "retired":
            instead = spec.get("lifecycle", {}).get("replaced_by")
            return f"{row.model_id} has been retired by its provider.{f' Use {row.provider.slug}/{instead}.' if instead else ''}"
        live = self.mode(row.provider) == "live"
        if (
            live
            and not settings.APP_URL
            and spec.get("traits", {}).get("public_inputs")
            and any(role.get("min") for role in spec.get("inputs", ()))
        ):
            return "It fetches its inputs from us, and APP_URL (our address seen from outside) is not set."
        return ""

    def _served(self, row: Provider) -> str:
        if row.kind == "builtin" or self.mode(row) != "live":
            return ""
        if row.open_until and row.open_until > timezone.now():
            return f"{row.name} is failing; pausing until {row.open_until:%H:%M:%S} UTC."
        accounts = self._accounts[row.pk]
        if not accounts:
            return (
                f"No {row.name} account is connected. Connect one under Accounts, or give its key in the environment."
            )
        reasons = [_unfit(account, row) for account in accounts]
        return "" if "" in reasons else reasons[0]


def _switched(row: Provider) -> str:
    if row.problem:
        return f"{row.name} could not be loaded; see its row in the admin."
    if row.missing:
        return f"{row.name} is no longer installed."
    return "" if row.is_enabled else f"{row.name} is switched off here."


def _unfit(account: ProviderAccount, provider: Provider) -> str:
    if account.status in STATUSES:
        return f"The account {account.label} {STATUSES[account.status]}."
    if provider.fuse_at and account.origin == "capture":
        return f"A session was revoked at {provider.name}; a person must look first."
    if missing := secrets.missing(account):
        return f"The account {account.label} lacks {', '.join(missing)}."
    return (
        f"The account {account.label} is resting until {account.cooldown_until:%H:%M:%S} UTC."
        if account.is_cooling
        else ""
    )


class Rates:
    """What a unit of each credit type costs in wallet credits, for lists: one query for all of them."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Any, str], Exchange] = {
            (row.provider_id, row.credit_type): row for row in Exchange.objects.all()
        }

    def of(self, provider: Provider, credit_type: str) -> Exchange:
        found = self._rows.get((provider.pk, credit_type)) or self._rows.get((None, credit_type))
        if found is None:
            declared = {row.get("key"): row.get("credits", "1") for row in provider.catalogue.get("credit_types", [])}
            found = Exchange(provider=provider, credit_type=credit_type, credits=declared.get(credit_type, "1"))
            self._rows[provider.pk, credit_type] = found
        return found
