"""When to look next: from the capability's own history, denser around the expected moment, with jitter."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

FLOOR = 1.0
WATCHED_CEILING = 3.0
LONGEST = 3600.0  # nobody may send us away for longer


def first_look(polling: Mapping[str, Any], history: Mapping[str, float] | None) -> float:
    """Near the quickest we have seen; before there is history, what the catalogue says."""
    known = history["p20"] * 0.9 if history else float(polling.get("first", 2))
    return _jitter(max(0.3, min(known, float(polling.get("deadline", 900)) / 4)))


def next_look(
    polling: Mapping[str, Any],
    history: Mapping[str, float] | None,
    *,
    looks: int,
    elapsed: float,
    watched: bool,
    said: float | None = None,
) -> float:
    """The provider's own word first; else steps, then a growing share of the time since, under the ceiling."""
    if said is not None:
        return max(FLOOR, said)
    steps = [float(step) for step in polling.get("steps") or ()]
    base = steps[looks] if looks < len(steps) else 0.1 * elapsed
    if history and elapsed < history["p50"]:
        base = min(max(base, FLOOR), max(history["p50"] - elapsed, FLOOR))
    elif history and elapsed < history["p90"]:
        base = min(base, max(FLOOR, 0.05 * history["p50"]))
    ceiling = min(float(polling.get("ceiling", 15)), WATCHED_CEILING if watched else 1e9)
    return _jitter(min(max(base, FLOOR), max(ceiling, FLOOR)))


def after_error(errors: int, retry_after: float | None, *, ceiling: float = 60) -> float:
    return min(retry_after, LONGEST) if retry_after else _jitter(min(2.0 ** min(errors, 10), ceiling))


def _jitter(seconds: float) -> float:
    return seconds * random.uniform(0.85, 1.15)  # noqa: S311
