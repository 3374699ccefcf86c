"""Requests per minute of one account, shared by every process: a token bucket in one row, moved by one UPDATE."""

from __future__ import annotations

import time

from django.db import transaction

from .errors import ProviderError
from .models import RateBucket


def take(key: str, *, per_minute: float | None, wanted: int = 1) -> int:
    """How many of the wanted requests may go out now; all of them where no rate is set."""
    if not per_minute:
        return wanted
    with transaction.atomic():
        bucket = RateBucket.objects.select_for_update().filter(pk=key).first()
        if bucket is None:
            bucket = RateBucket.objects.get_or_create(
                pk=key, defaults={"tokens": per_minute, "updated_at": time.time()}
            )[0]
            bucket = RateBucket.objects.select_for_update().get(pk=key)
        now = time.time()
        have = min(max(per_minute, 1), bucket.tokens + max(now - bucket.updated_at, 0) * per_minute / 60)
        granted = min(wanted, int(have))
        RateBucket.objects.filter(pk=key).update(tokens=have - granted, updated_at=now)
    return granted


def spend(key: str, *, per_minute: float | None) -> None:
    """One request, or a rate_limited error that says when the next token comes: nothing has been sent then."""
    if not take(key, per_minute=per_minute):
        wait = 60 / float(per_minute or 60)
        raise ProviderError(
            "rate_limited",
            "Our own limit for this account is reached; waiting for the next minute's share.",
            retry_after=wait,
            charged=False,
        )
