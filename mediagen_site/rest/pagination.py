"""Keyset pages `{"data": […], "next": cursor|null}`: rows that arrive meanwhile shift nothing, page 1,000 costs what page 1 does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core import signing
from django.db.models import Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import reading
from accounts.errors import Refused

USUAL, MOST = 50, 200


class KeysetPages(BasePagination):
    """A view may name its order (`keyset`, ending in something unique) and its usual size (`page_size`)."""

    def paginate_queryset(self, queryset: QuerySet, request: Request, view: Any = None) -> list[Any]:
        order: Sequence[str] = getattr(view, "keyset", ("-created_at", "-id"))
        salt = f"page:{type(view).__name__}:{','.join(order)}"
        limit: int = reading.whole(request.query_params, "limit", least=1, most=MOST) or getattr(
            view, "page_size", USUAL
        )
        cursor = request.query_params.get("cursor")
        if cursor:
            queryset = queryset.filter(_beyond(order, _open(cursor, salt, len(order))))
        rows = list(queryset.order_by(*order)[: limit + 1])
        self.next = signing.dumps(_place(rows[limit - 1], order), salt=salt) if len(rows) > limit else None
        return rows[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"data": data, "next": self.next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        properties = {
            "data": schema,
            "next": {"type": ["string", "null"], "description": "Give it as cursor for the next page."},
        }
        return {"type": "object", "required": ["data", "next"], "properties": properties}

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": MOST, "default": getattr(view, "page_size", USUAL)}
        return [
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "schema": {"type": "string"},
                "description": "`next` of the page before.",
            },
            {"name": "limit", "in": "query", "required": False, "schema": limit},
        ]


def _place(row: Any, order: Sequence[str]) -> list[Any]:
    names = [name.lstrip("-") for name in order]
    values = [row[name] if isinstance(row, Mapping) else getattr(row, name) for name in names]
    return [
        value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value
        for value in values
    ]


def _open(cursor: str, salt: str, length: int) -> list[Any]:
    try:
        place = signing.loads(cursor, salt=salt)
    except (signing.BadSignature, ValueError, UnicodeError):
        place = None
    if not isinstance(place, list) or len(place) != length:
        raise Refused("bad_cursor", "This cursor was not made here for this list. Start again without it.", status=400)
    return place


def _beyond(order: Sequence[str], place: Sequence[Any]) -> Q:
    """Strictly after a place in a lexicographic order; the first column's bound alone lets its index be used."""
    found, same = Q(), Q()
    for name, value in zip(order, place, strict=True):
        column, sign = (name[1:], "lt") if name.startswith("-") else (name, "gt")
        found |= same & Q(**{f"{column}__{sign}": value})
        same &= Q(**{column: value})
    first = order[0].lstrip("-")
    return Q(**{f"{first}__{'lte' if order[0].startswith('-') else 'gte'}": place[0]}) & found
