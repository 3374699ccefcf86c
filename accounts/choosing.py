"""Which account serves an attempt, and why: a pure function over candidates, so that a stored decision can be replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

NO_CREDITS = "out of credits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An account as it stood when the question was asked; times are seconds since 1970, money is micros."""

    id: str
    label: str
    site_wide: bool
    status: str
    status_reason: str = ""
    cooling_until: float | None = None
    provider_closed_until: float | None = None
    fuse_tripped: bool = False
    captured: bool = False
    missing_secrets: tuple[str, ...] = ()
    available: int | None = None
    unlimited: bool = False
    cost: int = 0
    in_use: int = 0
    limit: int = 1
    priority: int = 0
    last_used: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """Why not this one; `until` when it is known, `never` when only a person can change it."""

    id: str
    label: str
    reason: str
    until: float | None = None
    never: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    chosen: str | None
    ranking: tuple[dict[str, Any], ...] = ()
    excluded: tuple[Exclusion, ...] = ()

    @property
    def never(self) -> bool:
        """Nothing can serve unless a person acts."""
        return self.chosen is None and all(item.never for item in self.excluded)

    @property
    def penniless(self) -> bool:
        """Whoever could serve later is out of credits: that may take long, so another model is better."""
        return self.chosen is None and all(item.never or item.reason == NO_CREDITS for item in self.excluded)

    def explain(self) -> dict[str, Any]:
        return {
            "chosen": self.chosen,
            "ranking": list(self.ranking),
            "excluded": [asdict(item) for item in self.excluded],
        }


def choose(candidates: Sequence[Candidate], *, now: float, pinned: str | None = None) -> Decision:
    """Pinned → health → credit → capacity; then priority, own before shared, unlimited, least busy, least recently used."""
    excluded, left = [], []
    for candidate in candidates:
        why = _exclusion(candidate, now=now, pinned=pinned)
        if why:
            excluded.append(why)
        else:
            left.append(candidate)
    left.sort(key=_rank)
    ranking = tuple({"id": item.id, "label": item.label, "rank": list(_rank(item)[:-1])} for item in left)
    return Decision(chosen=left[0].id if left else None, ranking=ranking, excluded=tuple(excluded))


def _rank(candidate: Candidate) -> tuple[Any, ...]:
    busy = candidate.in_use / max(candidate.limit, 1)
    return (
        -candidate.priority,
        candidate.site_wide,
        not candidate.unlimited,
        round(busy, 3),
        candidate.last_used,
        candidate.id,
    )


def _exclusion(one: Candidate, *, now: float, pinned: str | None) -> Exclusion | None:
    for applies, reason, until, never in _reasons(one, now, pinned):
        if applies:
            return Exclusion(id=one.id, label=one.label, reason=reason, until=until, never=never)
    return None


def _reasons(one: Candidate, now: float, pinned: str | None) -> list[tuple[bool, str, float | None, bool]]:
    """In the order they are told: applies, words, until when, only a person can change it."""
    cooling = one.cooling_until is not None and one.cooling_until > now
    closed = one.provider_closed_until is not None and one.provider_closed_until > now
    short = not one.unlimited and one.available is not None and one.available < one.cost
    return [
        (bool(pinned) and one.id != pinned, "another account was asked for", None, True),
        (one.status == "disabled", "switched off", None, True),
        (one.status in ("auth_required", "blocked"), one.status_reason or "needs signing in again", None, True),
        (bool(one.missing_secrets), f"lacks {', '.join(one.missing_secrets)}", None, True),
        (
            one.fuse_tripped and one.captured,
            "a session was revoked at this provider; a person must look first",
            None,
            True,
        ),
        (one.status == "exhausted" or short, NO_CREDITS, None, False),
        (cooling, one.status_reason or "cooling down", one.cooling_until, False),
        (closed, "the provider is failing; pausing before the next try", one.provider_closed_until, False),
        (one.in_use >= one.limit, f"all {one.limit} places are busy", None, False),
    ]
