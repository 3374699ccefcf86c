"""Small words for templates: icons, credits, spans of time, sizes. Nothing here asks the database."""

from __future__ import annotations

import json
import re
from datetime import date
from functools import lru_cache
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide as draw

from accounts.money import short

register = template.Library()

KIND_ICONS = {
    "image": "image",
    "video": "film",
    "audio": "audio-lines",
    "model3d": "box",
    "text": "type",
    "data": "list",
}
KIND_WORDS = {"image": "Image", "video": "Video", "audio": "Audio", "model3d": "3D", "text": "Text", "data": "Data"}
STATUS_ICONS = {
    "queued": "clock",
    "paused": "pause",
    "submitting": "arrow-up",
    "running": "loader-circle",
    "finalizing": "download",
    "succeeded": "check",
    "failed": "triangle-alert",
    "filtered": "shield-alert",
    "cancelled": "circle-slash",
    "unknown": "hourglass",
}


@lru_cache(maxsize=256)
def _svg(name: str, size: int) -> SafeString:
    drawn = str(draw(name, size=size, stroke_width="1.75", aria_hidden="true"))
    return mark_safe(" ".join(drawn.split()))  # noqa: S308  our own icon set


@register.simple_tag
def icon(name: str, size: int = 16) -> SafeString:
    """An icon beside a word; the word says what it means, so the picture is hidden from readers."""
    return _svg(str(name), size)


@register.simple_tag
def kind_icon(kind: str, size: int = 16) -> SafeString:
    return _svg(KIND_ICONS.get(kind, "list"), size)


@register.simple_tag
def status_icon(status: str, size: int = 16) -> SafeString:
    return _svg(STATUS_ICONS.get(status, "clock"), size)


@register.filter
def kind_word(kind: str) -> str:
    return KIND_WORDS.get(kind, kind)


@register.filter
def credits(micros: int | None) -> str:
    return short(micros)


@register.filter
def words(name: str) -> str:
    """`text_to_image` as people say it."""
    return str(name).replace("_", " ").capitalize()


@register.filter
def span(seconds: float | None) -> str:
    """Seconds as people say them: 3 s, 4 min, 1 h 20 min."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "1 s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@register.filter
def clock(seconds: float | None) -> str:
    """The length of a clip: 0:04."""
    whole = round(seconds or 0)
    return f"{whole // 60}:{whole % 60:02d}"


@register.filter
def day_name(day: date) -> str:
    gone = (timezone.localdate() - day).days
    if gone in (0, 1):
        return ("Today", "Yesterday")[gone]
    return f"{day:%A}, {day.day} {day:%B}" + ("" if day.year == timezone.localdate().year else f" {day.year}")


@register.filter
def as_json(value: Any) -> str:
    return json.dumps(value)


@register.filter
def plain(value: Any) -> str:
    """A parameter's value in a list of facts."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


@register.simple_tag
def wave(peaks: list[float] | None, bars: int = 96) -> SafeString:
    """Peaks (0 to 1) as bars in an SVG that takes the text's colour."""
    rows = _resampled(peaks or [0.08], bars)
    bars_drawn = (
        f"M{n * 3 + 1.5} {round(32 - 30 * high, 1)}V{round(32 + 30 * high, 1)}" for n, high in enumerate(rows)
    )
    path = "".join(bars_drawn)
    return format_html(
        '<svg class="wave" viewBox="0 0 {} 64" preserveAspectRatio="none" aria-hidden="true">'
        '<path d="{}" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" fill="none"/></svg>',
        len(rows) * 3,
        path,
    )


def _resampled(peaks: list[float], bars: int) -> list[float]:
    most = max([abs(peak) for peak in peaks] or [1]) or 1
    step = len(peaks) / bars
    chunks = [peaks[int(n * step) : max(int((n + 1) * step), int(n * step) + 1)] for n in range(bars)]
    return [max(0.03, max((abs(peak) for peak in chunk), default=0) / most) for chunk in chunks]


@register.filter
def styles(names: str) -> list[str]:
    """Style sheets by name, in their order."""
    return [f"css/{name}.css" for name in names.split()]


@register.filter
def coded(text: str) -> SafeString:
    """Words between backticks as code."""
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", conditional_escape(text)))  # noqa: S308  escaped first
