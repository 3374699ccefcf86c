"""Readers for small request bodies and query strings: each returns the value or refuses it by the field's name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime

from .errors import Refused, field_errors


def body(data: Any, *known: str) -> dict[str, Any]:
    """The body as an object holding nothing but these fields."""
    if not isinstance(data, Mapping):
        raise Refused("malformed", "The body must be a JSON object.", status=400)
    unknown = [name for name in data if name not in known]
    if unknown:
        allowed = f"Known fields: {', '.join(known)}." if known else "This call takes no fields."
        raise field_errors({str(name): [f"Unknown field. {allowed}"] for name in unknown})
    return dict(data)


def text(data: Mapping[str, Any], field: str, *, default: str = "", most: int = 400) -> str:
    value = data.get(field)
    if value is None:
        return default
    if not isinstance(value, str) or "\x00" in value or len(value) > most:
        raise field_errors({field: [f"Write text of at most {most} characters."]})
    return value.strip()


def choice(data: Mapping[str, Any], field: str, allowed: Collection[str], *, default: str = "") -> str:
    value = text(data, field, default=default)
    if value and value not in allowed:
        raise field_errors({field: [f"Must be one of: {', '.join(sorted(allowed))}."]})
    return value


def whole(data: Mapping[str, Any], field: str, *, least: int, most: int) -> int | None:
    value = data.get(field)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool | float) or not least <= int(value) <= most:
            raise ValueError
    except (TypeError, ValueError):
        raise field_errors({field: [f"Write a whole number from {least} to {most}."]}) from None
    return int(value)


def moment(data: Mapping[str, Any], field: str) -> datetime | None:
    """A time (ISO 8601); a date alone is its first moment, a time without a zone is UTC."""
    value = text(data, field)
    if not value:
        return None
    try:
        found = parse_datetime(value) or datetime.combine(parse_date(value) or _no_date(), datetime.min.time())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise field_errors({field: ["Write a time like 2026-11-21T14:00:00Z."]}) from None


def _no_date() -> Any:
    raise ValueError
