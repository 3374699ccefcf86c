"""What a provider says, made fit to be kept: no NUL or broken characters, numbers in range. One odd answer stops nobody."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from providers.errors import ProviderError
from providers.types import Accepted, Done, Output, Status

T = TypeVar("T", Accepted, Done, Status)
MOST_PLACES = 2**31 - 1


def text(value: str) -> str:
    return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


def deep(value: Any) -> Any:
    """Texts cleaned at every depth; numbers no database or JSON reader takes become null."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return {text(str(name)): deep(below) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [deep(below) for below in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def error(found: ProviderError) -> ProviderError:
    found.message, found.vendor_code = text(found.message), text(str(found.vendor_code or ""))
    if found.retry_after is not None and not (math.isfinite(found.retry_after) and found.retry_after >= 0):
        found.retry_after = None
    return found


def answer(found: T) -> T:
    """An Accepted, Done or Status as it may be stored."""
    told = {item.name: getattr(found, item.name) for item in fields(found)}
    new: dict[str, Any] = {name: text(str(told[name])) for name in ("remote_id", "note") if name in told}
    if told.get("memo") is not None:
        new["memo"] = deep(told["memo"])
    if "outputs" in told:
        new["outputs"] = tuple(_output(item) for item in told["outputs"])
    if "next_in" in told:
        new["next_in"] = _seconds(told["next_in"])
    if isinstance(found, Status):
        broken = error(found.error) if found.error else None
        new |= {"position": _place(found.position), "progress": _share(found.progress), "error": broken}
    return replace(found, **new)


def _output(item: Output) -> Output:
    words = ("url", "text", "mime", "name", "role")
    cleaned: dict[str, Any] = {name: text(value) for name in words if isinstance(value := getattr(item, name), str)}
    return replace(item, **cleaned, facts=deep(item.facts))


def _place(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= MOST_PLACES else None


def _share(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return max(0.0, min(float(value), 1.0)) if known else None


def _seconds(value: Any) -> float | None:
    known = isinstance(value, int | float) and math.isfinite(value) and value >= 0
    return min(float(value), 86_400.0) if known else None
