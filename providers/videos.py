"""Video providers as capability dictionaries: one flat row per provider, so that a front end can limit its controls by it.

Money here is in dollars (a wallet credit is one cent), sizes are pixels, and what a catalogue leaves open has the usual value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard

from .models import Capability, Provider
from .presenting import Typical, Why

CREDITS_PER_DOLLAR = 100
USUAL_SECONDS = 5.0
SIZES = {
    "480p": (854, 480),
    "540p": (960, 540),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "1440p": (2560, 1440),
    "2k": (2560, 1440),
    "4k": (3840, 2160),
}


def video_row(provider: Provider, capabilities: Sequence[Capability], why: Why, typical: Typical) -> dict[str, Any]:
    reason = why(provider) or _all_closed(capabilities, why)
    return {
        "type": provider.slug,
        "name": provider.name,
        "available": not reason,
        "reason": reason or None,
        "is_active": provider.is_enabled,
        "is_healthy": provider.health != "down" and not provider.problem,
        "failure_count": provider.failure_streak,
        "capabilities": _dictionary(capabilities, typical),
    }


def _all_closed(capabilities: Sequence[Capability], why: Why) -> str:
    reasons = [why(row) for row in capabilities]
    return "" if not reasons or "" in reasons else reasons[0]


def _dictionary(rows: Sequence[Capability], typical: Typical) -> dict[str, Any]:
    resolutions = _choices(rows, "resolution")
    largest = max(map(_pixels, resolutions), default=SIZES["720p"], key=lambda size: size[0] * size[1])
    per_second = [float(typical(row)) / CREDITS_PER_DOLLAR / _seconds(row) for row in rows]
    return {
        "max_duration_seconds": max((_longest(row) for row in rows), default=0),
        "max_resolution": list(largest),
        "supports_image_input": any(
            "image" in role.get("kinds", ()) for row in rows for role in row.spec.get("inputs", ())
        ),
        "supported_formats": _choices(rows, "format") or ["mp4"],
        "cost_per_second": round(min(per_second, default=0.0), 6),
        "image_cost_multiplier": _image_factor(rows),
        "model_versions": list(dict.fromkeys(row.model for row in rows)),
        "features": list(dict.fromkeys(row.operation.replace("_", "-") for row in rows)),
        "supported_resolutions": resolutions,
        "supported_aspect_ratios": _choices(rows, "aspect_ratio"),
    }


def _property(row: Capability, name: str) -> dict[str, Any]:
    found = row.spec.get("schema", {}).get("properties", {}).get(name)
    return found if isinstance(found, dict) else {}


def _choices(rows: Sequence[Capability], name: str) -> list[str]:
    return list(
        dict.fromkeys(str(value) for row in rows for value in _property(row, name).get("enum", ()) if value is not None)
    )


def _longest(row: Capability) -> float:
    schema = _property(row, "duration")
    limits = [
        value for value in (*schema.get("enum", ()), schema.get("maximum"), schema.get("default")) if _is_number(value)
    ]
    return max(limits, default=USUAL_SECONDS)


def _seconds(row: Capability) -> float:
    """How long the usual run is that a typical price is for."""
    default = _property(row, "duration").get("default")
    return float(default) if _is_number(default) and default > 0 else USUAL_SECONDS


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pixels(name: str) -> tuple[int, int]:
    if match := re.fullmatch(r"(\d+)\s*[xX×*]\s*(\d+)", name):
        return int(match[1]), int(match[2])
    return SIZES.get(name.lower(), (0, 0))


def _image_factor(rows: Iterable[Capability]) -> float:
    """What an image among the inputs multiplies the price by, where a price rule says so."""
    image = {role["role"] for row in rows for role in row.spec.get("inputs", ()) if "image" in role.get("kinds", ())}
    rules = [line for row in rows for line in _rules(row.effective_spec.get("price", {}))]
    factors = [
        float(item["factor"])
        for rule in rules
        for item in rule.get("factors", ())
        if item.get("input") in image and "factor" in item
    ]
    return max(factors, default=1.0)


def _rules(rule: dict[str, Any]) -> list[dict[str, Any]]:
    return [below for line in rule["lines"] for below in _rules(line)] if rule.get("lines") else [rule]
