"""Site-wide accounts that exist by themselves: one for a provider that needs no login, one for keys in the environment."""

from __future__ import annotations

import os
from typing import Any

from django.db import transaction

from providers.models import Provider

from . import ledger
from .models import Credential, ProviderAccount
from .money import to_micros

DEMO_BALANCES = {"studio": 100_000, "web": 20_000}  # the mock's, so that its pools can be seen going down


def ensure() -> None:
    """After each migrate: idempotent, and never in the way of what a person has changed."""
    for provider in Provider.objects.filter(missing=False, problem=""):
        with transaction.atomic():
            _one(provider)


def _one(provider: Provider) -> None:
    fields = [row for row in provider.catalogue.get("credentials", []) if row.get("required", True)]
    if not fields:
        _open_account(provider)
    else:
        _environment_account(provider, fields)


def _open_account(provider: Provider) -> None:
    """Nothing to log in with: everyone may use it through one account."""
    if ProviderAccount.objects.filter(provider=provider, origin="builtin").exists():
        return
    account = ProviderAccount.objects.create(
        provider=provider, label=provider.name, origin="builtin", external_id=f"builtin:{provider.slug}"
    )
    for row in provider.catalogue.get("credit_types", []):
        pool = ledger.account_pool(account, row["key"])
        if provider.kind == "builtin" and row["key"] in DEMO_BALANCES:
            ledger.sync(pool, balance=to_micros(DEMO_BALANCES[row["key"]]), key="first", note="Simulated balance")


def _environment_account(provider: Provider, fields: list[dict[str, Any]]) -> None:
    """The catalogue names the variables; the value is read at each call and never stored."""
    names = {row["name"]: next((name for name in row.get("env", []) if os.environ.get(name)), "") for row in fields}
    known = ProviderAccount.objects.filter(provider=provider, origin="environment", deleted_at=None).first()
    if not all(names.values()):
        if known and known.status == "active":
            ProviderAccount.objects.filter(pk=known.pk).update(
                status="disabled", status_reason="Its environment variable is no longer set."
            )
        return
    account = known or ProviderAccount.objects.create(
        provider=provider, label=f"{provider.name} (environment)", origin="environment"
    )
    if account.status == "disabled" and account.status_reason.startswith("Its environment"):
        ProviderAccount.objects.filter(pk=account.pk).update(status="active", status_reason="")
    for field, variable in names.items():
        Credential.objects.update_or_create(
            account=account, name=field, defaults={"reference": f"env:{variable}", "ciphertext": "", "last4": ""}
        )
