"""`Prefer: wait=N`: the answer may be kept back until the work is done, up to a minute, by a bounded number of callers.

Waiting costs one look at one row each quarter of a second. Beyond the bound a caller is answered at once, as the
standard allows: a preference is not a promise.
"""

from __future__ import annotations

import re
import threading
import time
from uuid import UUID

from rest_framework.request import Request

from generations.models import Generation
from generations.models.generations import TERMINAL

MOST_SECONDS = 60
LOOK = 0.25
WAITERS = threading.BoundedSemaphore(32)  # each keeps its database connection while it waits
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", re.IGNORECASE)


def wait_seconds(request: Request) -> int | None:
    """How long this caller would wait; None when it did not say."""
    said = _WAIT.search(request.headers.get("Prefer", ""))
    return min(int(said[1]), MOST_SECONDS) if said else None


def wait(generation: UUID, seconds: float) -> bool:
    """Whether the wish was honoured (not: whether it finished)."""
    if not WAITERS.acquire(blocking=False):
        return False
    try:
        until = time.monotonic() + seconds
        while not _ended(generation) and time.monotonic() < until:
            time.sleep(min(LOOK, max(0.0, until - time.monotonic())))
    finally:
        WAITERS.release()
    return True


def _ended(generation: UUID) -> bool:
    return Generation.objects.filter(pk=generation, status__in=TERMINAL).exists()
