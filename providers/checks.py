"""System checks over the registry: a broken third-party adapter is a warning with its reason, never a crash."""

from __future__ import annotations

from typing import Any

from django.core.checks import Warning as Warn
from django.core.checks import register

from .loaded import registry


@register()
def broken_adapters(app_configs: Any, **kwargs: Any) -> list[Warn]:
    return [
        Warn(
            f"The adapter {entry.slug} could not be loaded.",
            hint=entry.error.strip().splitlines()[-1],
            id="providers.W001",
        )
        for entry in registry.broken()
    ]
