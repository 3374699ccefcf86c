"""A generation as a card: its coming or final shape, its pieces, what happened and what one can do next."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from generations import presenting
from generations.models import Asset, Generation
from generations.models.generations import LIVE, Status

RATIOS = {"image": 1.0, "video": 16 / 9, "audio": 2.2, "text": 1.5, "model3d": 1.0, "data": 1.5}
NARROWEST, WIDEST, ENDED = 0.5, 3.2, 1.25
MOSAIC = 4
_PAIR = re.compile(r"(\d+(?:\.\d+)?)\s*[:x×]\s*(\d+(?:\.\d+)?)")

# error code -> (what to press, icon, where it leads: "retry" posts, "again" opens the composer with it filled in)
NEXT = {
    "content_rejected": ("Change the prompt", "pencil", "again"),
    "invalid_input": ("Change the settings", "sliders-horizontal", "again"),
    "unsupported": ("Change the settings", "sliders-horizontal", "again"),
    "input_unusable": ("Change the input", "image", "again"),
    "model_gone": ("Choose another model", "cpu", "again"),
    "auth_failed": ("Choose another model", "cpu", "again"),
    "session_expired": ("Choose another model", "cpu", "again"),
    "session_revoked": ("Choose another model", "cpu", "again"),
    "cancelled": ("Run it again", "rotate-ccw", "retry"),
}
TRY_AGAIN = ("Try again", "rotate-ccw", "retry")
WORDS = {
    Status.QUEUED: "Queued",
    Status.PAUSED: "Paused",
    Status.SUBMITTING: "Sending",
    Status.RUNNING: "Running",
    Status.FINALIZING: "Fetching the result",
    Status.SUCCEEDED: "Done",
    Status.FAILED: "Failed",
    Status.FILTERED: "Filtered",
    Status.CANCELLED: "Cancelled",
}
FALLBACK_REASONS = {
    Status.FAILED: "It ended without a result. Nothing was charged.",
    Status.FILTERED: "The provider refused this content. Nothing was charged.",
    Status.CANCELLED: "Stopped before it was done. Nothing was charged.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One output as it is shown small: what to draw, at which size, how long."""

    asset: Asset
    kind: str
    url: str
    thumb: str
    text: str = ""
    peaks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    word: str
    icon: str
    leads: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    generation: Generation
    face: str  # live | ended | media | sound | script
    word: str
    ratio: float
    hue: int
    hue2: int
    pieces: tuple[Piece, ...] = ()
    hidden: int = 0
    reason: str = ""
    next: Next | None = None
    since: str = ""
    position: int | None = None
    progress: float | None = None
    note: str = ""

    @property
    def fresh(self) -> bool:
        return self.generation.status in LIVE

    @property
    def bare(self) -> bool:
        """Its posters and waveforms are still being made; the page asks again in a moment."""
        return any(one.asset.derived_at is None and one.kind != "text" for one in self.pieces)


def deck(generations: Iterable[Generation]) -> list[Card]:
    """Cards of many, with the place in the queue and progress of those under way asked for once."""
    rows = list(generations)
    live = presenting.generation_rows(row for row in rows if row.status in LIVE)
    news = {row["id"]: row for row in live}
    return [card(row, news.get(str(row.pk), {})) for row in rows]


def card(generation: Generation, news: Mapping[str, Any]) -> Card:
    """`news` is its row as presented, while it is under way."""
    every = pieces_of(generation)
    pieces = every[:MOSAIC]
    hues = hashlib.sha256((generation.prompt or str(generation.pk)).encode()).digest()
    return Card(
        generation=generation,
        face=_face(generation, pieces),
        word=word_of(generation),
        ratio=round(min(max(_ratio(generation, pieces), NARROWEST), WIDEST), 3),
        hue=hues[0] * 360 // 256,
        hue2=hues[1] * 360 // 256,
        pieces=pieces,
        hidden=len(every) - len(pieces),
        reason=_reason(generation),
        next=next_of(generation),
        since=(generation.started_at or generation.created_at).isoformat(),
        position=(news.get("queue") or {}).get("position"),
        progress=news.get("progress"),
        note=news.get("note") or generation.note,
    )


def _reason(generation: Generation) -> str:
    if generation.status == Status.CANCELLED:
        return FALLBACK_REASONS[Status.CANCELLED]
    return generation.error_message or FALLBACK_REASONS.get(Status(generation.status), "")


def word_of(generation: Generation) -> str:
    if generation.unknown:
        return "Answer lost"
    if generation.cancel_requested_at and generation.status in LIVE:
        return "Cancelling"
    return WORDS[Status(generation.status)]


def next_of(generation: Generation) -> Next | None:
    """The first thing to press after an end without a result; a filter is never answered by asking again."""
    if generation.status not in (Status.FAILED, Status.FILTERED, Status.CANCELLED):
        return None
    code = "content_rejected" if generation.status == Status.FILTERED else generation.error_code
    return Next(**dict(zip(("word", "icon", "leads"), NEXT.get(code, TRY_AGAIN), strict=True)))


def pieces_of(generation: Generation) -> tuple[Piece, ...]:
    """Its outputs in their order, from what with_parts() fetched."""
    kept = [asset for asset in generation.assets.all() if asset.role == "output" and asset.deleted_at is None]
    return tuple(piece(asset) for asset in sorted(kept, key=lambda asset: asset.position))


def piece(asset: Asset) -> Piece:
    return Piece(
        asset=asset,
        kind=asset.kind,
        url=content_url(asset),
        thumb=f"/api/v1/assets/{asset.pk}/thumbnail" if asset.thumbnail_id else "",
        text=(asset.text or "")[:600],
        peaks=tuple(asset.facts.get("peaks") or ()) if isinstance(asset.facts.get("peaks"), list) else (),
    )


def content_url(asset: Asset) -> str:
    return f"/api/v1/assets/{asset.pk}/content"


def _face(generation: Generation, pieces: tuple[Piece, ...]) -> str:
    if generation.status in LIVE:
        return "live"
    if generation.status != Status.SUCCEEDED or not pieces:
        return "ended"
    return {"audio": "sound", "text": "script", "data": "script"}.get(pieces[0].kind, "media")


def _ratio(generation: Generation, pieces: tuple[Piece, ...]) -> float:
    if generation.status in (Status.FAILED, Status.FILTERED, Status.CANCELLED):
        return ENDED
    sizes = [(one.asset.width, one.asset.height) for one in pieces]
    real = next((wide / high for wide, high in sizes if wide and high), None)
    count = len(pieces) or _count(generation.params)
    return (real or coming(generation)) * {1: 1, 2: 2, 3: 1.5}.get(count, 1)


def coming(generation: Generation) -> float:
    """The aspect the result will have, as far as its parameters and first input say."""
    if generation.output_kind not in ("image", "video"):
        return RATIOS.get(generation.output_kind, 1.5)
    params = generation.params
    pairs = (_pair(params.get(name)) for name in ("aspect_ratio", "ratio", "resolution", "size"))
    told = _sides(params) or next(filter(None, pairs), None)
    return told or _first_input(generation) or RATIOS[generation.output_kind]


def _sides(params: Mapping[str, Any]) -> float | None:
    wide, high = params.get("width"), params.get("height")
    if isinstance(wide, int | float) and isinstance(high, int | float) and wide > 0 and high > 0:
        return wide / high
    return None


def _pair(value: Any) -> float | None:
    found = _PAIR.fullmatch(str(value or "").strip())
    return float(found[1]) / float(found[2]) if found and float(found[1]) and float(found[2]) else None


def _first_input(generation: Generation) -> float | None:
    sizes = [(item.asset.width, item.asset.height) for item in generation.inputs.all()]
    return next((wide / high for wide, high in sizes if wide and high), None)


def _count(params: Mapping[str, Any]) -> int:
    asked = params.get("count", 1)
    return min(max(asked, 1), MOSAIC) if isinstance(asked, int) and not isinstance(asked, bool) else 1


def with_days(cards: list[Card], *, after: str = "") -> list[tuple[Any, Card]]:
    """(day when it begins a new one, card): a heading stands only where the day changes, across pages too."""
    last = timezone.localdate(datetime.fromisoformat(after.split("~")[0])) if after else None
    rows = []
    for one in cards:
        day = timezone.localdate(one.generation.created_at)
        rows.append((day if day != last else None, one))
        last = day
    return rows
