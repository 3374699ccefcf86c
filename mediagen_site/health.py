"""Is this process alive; can it serve. Public, without a session or a key, and without telling more than the names."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.core.files.storage import default_storage
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generations.models import Pulse
from generations.models.steps import Step

logger = logging.getLogger("mediagen.health")
STALE = 60.0  # seconds without a sign of life: the supervisor rings each cluster every ten
CLUSTERS = tuple(name for name, _ in Step.CLUSTERS)


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Answers as long as the process can answer at all; asks nothing of anyone."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """503 with the name of what fails; the reason is in the log."""
    checks = {name: _tried(name, check) for name, check in CHECKS.items()}
    good = all(check["ok"] for check in checks.values())
    return JsonResponse({"status": "ok" if good else "failing", "checks": checks}, status=200 if good else 503)


def _tried(name: str, check: Callable[[], str]) -> dict[str, object]:
    try:
        return {"ok": True, "detail": check()}
    except Silent as silent:
        return {"ok": False, "detail": str(silent)}
    except Exception:
        logger.exception("health: %s fails", name)
        return {"ok": False, "detail": "does not answer; see the log"}


class Silent(Exception):
    """A cluster has shown no sign of life lately."""


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return connection.vendor


def _storage() -> str:
    default_storage.ping()  # type: ignore[attr-defined]
    return "answers"


def _queue() -> str:
    """A cluster that works on something long stamps no pulse, but holds a lease."""
    now = time.time()
    pulses = dict(Pulse.objects.values_list("cluster", "at"))
    working = set(Step.objects.filter(claimed=True, due_at__gt=now).values_list("cluster", flat=True))
    silent = [name for name in CLUSTERS if pulses.get(name, 0) < now - STALE and name not in working]
    if silent:
        raise Silent(f"no sign of life from: {', '.join(silent)}")
    return "all clusters alive"


CHECKS: dict[str, Callable[[], str]] = {"database": _database, "storage": _storage, "queue": _queue}
