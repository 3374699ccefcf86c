"""Loads the adapters once Django is ready, and keeps their rows in step after each migrate."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ProvidersConfig(AppConfig):
    name = "providers"

    def ready(self) -> None:
        from . import checks, loaded  # noqa: F401  registers the system checks

        loaded.load()
        post_migrate.connect(sync_rows, sender=self)


def sync_rows(**kwargs: Any) -> None:
    from .sync import sync

    sync()
