"""Who may do what, with which login, paid from where."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        post_migrate.connect(_ensure, sender=self)


def _ensure(**kwargs: Any) -> None:
    from .site_accounts import ensure

    ensure()
