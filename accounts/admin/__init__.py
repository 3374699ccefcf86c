"""The admin of accounts, wallets, keys and workspaces."""

from . import logins, people, wallets

__all__ = ["logins", "people", "wallets"]
