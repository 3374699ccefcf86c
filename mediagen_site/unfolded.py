"""How the admin looks (django-unfold): our accent and neutrals, the sidebar by task."""

from __future__ import annotations

from typing import Any

UNFOLD: dict[str, Any] = {"SITE_TITLE": "Mediagen", "SITE_HEADER": "Mediagen"}
