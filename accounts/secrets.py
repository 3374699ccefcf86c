"""The secret fields of an account, by name, at the moment of a call; nothing here is kept or logged."""

from __future__ import annotations

import os
from pathlib import Path

from .encryption import KeyLost, decrypt, encrypt
from .models import Credential, ProviderAccount


def of(account: ProviderAccount | None) -> dict[str, str]:
    if account is None:
        return {}
    return {credential.name: _value(credential, account) for credential in account.credentials.all()}


def _value(credential: Credential, account: ProviderAccount) -> str:
    """A workspace's account takes values only: a reference there would read the server's own secrets."""
    if credential.reference and account.workspace_id is None:
        return resolve(credential.reference)
    return decrypt(credential.ciphertext) if credential.ciphertext else ""


def resolve(reference: str) -> str:
    """`env:NAME` or `file:/path`, read now and never stored."""
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        return os.environ.get(rest, "")
    if scheme == "file":
        try:
            return Path(rest).read_text().strip()
        except OSError:
            return ""
    return ""


def missing(account: ProviderAccount) -> list[str]:
    """Required fields (as the catalogue lists them) that have no readable value."""
    needed = [row["name"] for row in account.provider.catalogue.get("credentials", []) if row.get("required", True)]
    if not needed:
        return []
    try:
        have = of(account)
    except KeyLost:
        return needed
    return [name for name in needed if not have.get(name)]


def store(account: ProviderAccount, name: str, value: str) -> Credential:
    """Write-only: the value goes in encrypted, its last four characters stay visible when it is long enough."""
    defaults = {"ciphertext": encrypt(value), "reference": "", "last4": value[-4:] if len(value) >= 12 else ""}
    return Credential.objects.update_or_create(account=account, name=name, defaults=defaults)[0]
