"""Workspaces and people, keys, logins at providers, and the ledger."""

from .keys import ApiKey, SignInLink
from .ledger import Entry, Exchange, Pool
from .logins import Credential, Lease, ProviderAccount
from .workspaces import Membership, Workspace

__all__ = [
    "ApiKey",
    "Credential",
    "Entry",
    "Exchange",
    "Lease",
    "Membership",
    "Pool",
    "ProviderAccount",
    "SignInLink",
    "Workspace",
]
