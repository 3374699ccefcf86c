"""What a price rule counts: seconds, images, megapixels, characters, from usage when told, else from the parameters.

A measure that cannot be known beforehand is the rule's `assume`, else the most the schema lets through, and not exact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal, InvalidOperation
from typing import Any

from .types import InputFile, Usage

MICRO = Decimal("0.000001")
ENOUGH = Decimal(10) ** 12  # a larger measure is a mistake, and would not fit a price
RATIO = re.compile(r"^(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)$")
# kind: the usual parameters, the word for one unit, how many basic units make one
MEASURES: dict[str, tuple[tuple[str, ...], str, int]] = {
    "per_second": (("duration",), "s", 1),
    "per_minute": (("duration",), "s", 60),
    "per_image": (("count",), "image", 1),
    "per_megapixel": (("resolution", "width"), "MP", 1),
    "per_character": (("text", "prompt"), "character", 1),
}


@dataclass(frozen=True, slots=True)
class Facts:
    schema: Mapping[str, Any]
    params: Mapping[str, Any]
    inputs: Sequence[InputFile]
    roles: frozenset[str]
    plan: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Measure:
    size: Decimal
    text: str
    exact: bool = True


def _seconds(rule: Mapping[str, Any], facts: Facts) -> Measure:
    if facts.usage.seconds is not None:
        return _stepped(rule, facts.usage.seconds, 1, "s")
    asked = number(facts.params.get(rule.get("of", "duration")))
    lengths = [item.seconds for item in facts.inputs if item.kind in ("video", "audio")]
    if asked is None and "of" not in rule and lengths and None not in lengths:
        asked = number(sum(length or 0 for length in lengths))
    if asked is not None:
        return _stepped(rule, asked, count(facts), "s")
    return _stepped(rule, _guess(rule, facts, "duration"), count(facts), "s", exact=False)


def _images(rule: Mapping[str, Any], facts: Facts) -> Measure:
    made = facts.usage.count if facts.usage.count is not None else count(facts, rule.get("of", "count"))
    return Measure(Decimal(made), f"{made} {'image' if made == 1 else 'images'}")


def _megapixels(rule: Mapping[str, Any], facts: Facts) -> Measure:
    if facts.usage.megapixels is not None:
        return _stepped(rule, facts.usage.megapixels, 1, "MP")
    pixels = area(facts.params)
    if pixels is not None:
        return _stepped(rule, pixels / 1_000_000, count(facts), "MP")
    return _stepped(rule, _guess(rule, facts, ""), count(facts), "MP", exact=False)


def _characters(rule: Mapping[str, Any], facts: Facts) -> Measure:
    names = (rule["of"],) if "of" in rule else MEASURES["per_character"][0]
    text = next((facts.params[name] for name in names if isinstance(facts.params.get(name), str)), "")
    size = len(text) if facts.usage.characters is None else facts.usage.characters
    return _stepped(rule, Decimal(size), 1, "character" if size == 1 else "characters")


COUNTED: dict[str, Callable[[Mapping[str, Any], Facts], Measure]] = {
    "per_second": _seconds,
    "per_minute": _seconds,
    "per_image": _images,
    "per_megapixel": _megapixels,
    "per_character": _characters,
}


def _stepped(rule: Mapping[str, Any], size: Decimal, times: int, word: str, exact: bool = True) -> Measure:
    step = decimal(rule.get("step", 0))
    size = min(max(size, Decimal(0)), ENOUGH)
    size = (size / step).to_integral_value(ROUND_CEILING) * step if step else size
    return Measure(size * times, f"{f'{times} × ' if times != 1 else ''}{plain(size)} {word}", exact)


def _guess(rule: Mapping[str, Any], facts: Facts, name: str) -> Decimal:
    """For what cannot be known yet: the rule's own assumption, else the most the schema lets through."""
    if "assume" in rule:
        return decimal(rule["assume"])
    return limit(rule.get("of", name), facts)


def limit(wanted: str | int, facts: Facts) -> Decimal:
    """A number as it is; a parameter's value, else the most it may be."""
    if not isinstance(wanted, str):
        return Decimal(wanted)
    schema = facts.schema.get("properties", {}).get(wanted, {})
    if (value := number(facts.params.get(wanted))) is not None:
        return value
    most = [number(value) for value in [*schema.get("enum", ()), schema.get("maximum")]]
    return max((value for value in most if value is not None), default=Decimal(0))


def count(facts: Facts, name: str = "count") -> int:
    value = number(facts.params.get(name))
    return 1 if value is None else int(value)


def text_bytes(params: Mapping[str, Any]) -> int:
    return sum(len(value.encode()) for name, value in params.items() if isinstance(value, str))


def area(params: Mapping[str, Any]) -> Decimal | None:
    """Pixels of one picture from width × height, WxH, or 720p, 1k … with the aspect ratio."""
    sides = [number(params.get("width")), number(params.get("height"))]
    name = str(params.get("resolution", "")).lower()
    if None in sides and re.fullmatch(r"\d+x\d+", name):
        sides = [number(side) for side in name.split("x")]
    if sides[0] is not None and sides[1] is not None:
        return sides[0] * sides[1]
    if re.fullmatch(r"\d+(\.\d+)?k", name):
        return (Decimal(name[:-1]) * 1024) ** 2
    ratio = RATIO.match(str(params.get("aspect_ratio", ""))) or RATIO.match("16:9")
    if not re.fullmatch(r"\d+p", name) or not ratio:
        return None
    short, long = sorted((Decimal(ratio[1]), Decimal(ratio[2])))
    return Decimal(name[:-1]) ** 2 * long / short if short else None


# -- numbers ---------------------------------------------------------------------------------------------------------
def decimal(value: Any) -> Decimal:
    return Decimal(str(value))


def number(value: Any) -> Decimal | None:
    """A measure out of a parameter: 4, 4.5, "8"; None for words, true and what is not a number."""
    if value is None or isinstance(value, bool):
        return None
    try:
        found = decimal(value)
    except InvalidOperation:
        return None
    return min(max(found, Decimal(0)), ENOUGH) if found.is_finite() else None


def up(amount: Decimal) -> Decimal:
    return amount.quantize(MICRO, ROUND_CEILING, context=Context(prec=60))


def plain(value: Decimal) -> str:
    """Without trailing zeros or exponent."""
    return f"{round(value, 6).normalize():f}"
