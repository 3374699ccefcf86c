"""A brake per key (or person): requests in the current minute, counted in the shared cache. Hard limits are in the database."""

from __future__ import annotations

import time
from typing import Any

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.models import ApiKey

PER_MINUTE = 600
WINDOW = 60


class KeyThrottle(BaseThrottle):
    """A cache that loses or miscounts a few requests only makes the brake softer."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            return True
        key = request.auth if isinstance(request.auth, ApiKey) else None
        who, limit = (
            (f"key:{key.pk}", key.rate_per_minute or PER_MINUTE) if key else (f"user:{request.user.pk}", PER_MINUTE)
        )
        return self._count(who) <= limit

    def _count(self, who: str) -> int:
        name = f"rate:{who}:{int(time.time()) // WINDOW}"
        if cache.add(name, 1, WINDOW * 2):
            return 1
        try:
            return cache.incr(name)
        except ValueError:  # gone between the two calls
            return 1

    def wait(self) -> float:
        return WINDOW - time.time() % WINDOW
