"""The registry of this process: filled once from AppConfig.ready with what settings name."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from .registry import Registry

BUILTIN = Path(__file__).resolve().parent / "adapters"
MOCK = "mock"  # stands in for every provider in mock mode
registry = Registry()


def load() -> None:
    """Idempotent: a second call finds everything in place."""
    if not registry.entries:
        registry.load(BUILTIN, paths=[Path(path) for path in settings.MEDIAGEN_ADAPTER_PATHS])
