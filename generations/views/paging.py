"""Keyset pages for lists that people scroll: a cursor names the last row seen, so rows that arrive never shift a page."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

PAGE = 40


def newest_first(rows: QuerySet[Any], after: str, *, size: int = PAGE) -> tuple[list[Any], str]:
    """(rows, cursor of the next page or ""), for rows ordered by -created_at, -id."""
    seen = _read(after)
    if seen:
        moment, key = seen
        rows = rows.filter(Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=key))
    found = list(rows.order_by("-created_at", "-pk")[: size + 1])
    more = len(found) > size
    return found[:size], cursor(found[size - 1]) if more else ""


def cursor(row: Any) -> str:
    return f"{row.created_at.isoformat()}~{row.pk}"


def _read(after: str) -> tuple[datetime, UUID] | None:
    moment, _, key = after.partition("~")
    try:
        return datetime.fromisoformat(moment), UUID(key)
    except ValueError:
        return None
