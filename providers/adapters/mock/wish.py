"""What a request asks for, read from parameters of any catalogue: tolerant of names and spellings, never raising.

The mock stands in for every provider, so each reader tries the common name first, then what vendors call it.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from providers.types import InputFile

from .words import without

PROMPTS = ("prompt", "text", "input", "script", "lyrics", "description", "caption", "query", "message")
SECONDS = ("duration", "seconds", "length", "duration_seconds", "seconds_total", "video_length", "audio_length")
MILLIS = ("duration_ms", "music_length_ms", "length_ms", "milliseconds")
COUNTS = ("count", "n", "num_images", "num_outputs", "number_of_images", "sample_count", "batch_size")
SIZES = ("size", "image_size", "video_size", "resolution", "dimensions")
SHAPES = ("aspect_ratio", "ratio", "aspect", "orientation")
APART = ("mask", "mask_image", "last_frame", "end_image", "tail_image")  # roles that never stand in for the main input
FORMATS = ("format", "output_format", "response_format", "file_format")
UPRIGHT, SQUARE, WIDE = (9.0, 16.0), (1.0, 1.0), (16.0, 9.0)
NAMED_SHAPES = {"landscape": WIDE, "widescreen": WIDE, "square": SQUARE, "portrait": UPRIGHT, "vertical": UPRIGHT}
LONG_SIDES = {"512": 512, "0.5k": 512, "1k": 1024, "1.5k": 1536, "2k": 2048, "3k": 3072, "4k": 4096}
SHORT_SIDES = {"1k": 1080, "2k": 1440, "4k": 2160}
IMAGE_LONGEST, VIDEO_LONGEST = 4096, 3840
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_TIMES = re.compile(r"(\d{3,5})\s*[x×*:]\s*(\d{3,5})")
_RATIO = re.compile(r"(?<!\d)(\d{1,2}(?:\.\d+)?)\s*[:/x_]\s*(\d{1,2}(?:\.\d+)?)(?!\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One file to make: `index` counts the outputs of a job, `kind` is what is asked here."""

    operation: str
    params: Mapping[str, Any]
    kind: str
    index: int = 0
    inputs: Sequence[InputFile] = field(default=())

    @property
    def prompt(self) -> str:
        return without(prompt_of(self.params))

    @property
    def digest(self) -> bytes:
        said = f"{prompt_of(self.params)}|{self.params.get('seed') or 0}|{self.index}|{self.params.get('voice', '')}"
        return hashlib.sha256(said.encode()).digest()

    def dice(self, purpose: str) -> random.Random:
        """Chance that is the same for the same prompt, seed and purpose, on every machine."""
        return random.Random(int.from_bytes(hashlib.sha256(self.digest + purpose.encode()).digest()[:8], "big"))

    def file(self, *roles: str, kind: str) -> Path | None:
        """The input of that kind in one of these roles; else the first of that kind with no special part to play."""
        ready = [item for item in self.inputs if item.path and item.kind == kind]
        named = [item for role in roles for item in ready if item.role == role]
        loose = [item for item in ready if item.role not in APART]
        return next((item.path for item in (named or loose)), None)

    def only(self, *roles: str) -> Path | None:
        """The input in one of these roles and no other."""
        return next((item.path for role in roles for item in self.inputs if item.role == role and item.path), None)


def first(params: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((params[name] for name in names if params.get(name) not in (None, "", [])), None)


def number(value: Any) -> float | None:
    """The number in 8, 8.0, "8", "8s", "PT8S"."""
    if isinstance(value, bool) or value is None:
        return None
    found = _NUMBER.search(str(value))
    return float(found[0]) if found else None


def prompt_of(params: Mapping[str, Any]) -> str:
    said = first(params, PROMPTS)
    if isinstance(said, str):
        return said
    texts = [value for value in params.values() if isinstance(value, str) and " " in value]
    return max(texts, key=len, default="")


def seconds_of(params: Mapping[str, Any], *, default: float, most: float) -> float:
    millis = number(first(params, MILLIS))
    asked = number(first(params, SECONDS)) or (millis / 1000 if millis else None) or default
    return min(max(asked, 0.5), most)


def count_of(params: Mapping[str, Any]) -> int:
    return int(min(max(number(first(params, COUNTS)) or 1, 1), 8))


def choice_of(params: Mapping[str, Any], known: Mapping[str, Any], default: str) -> str:
    """The asked format when it is one we make, `mp3_44100_128` and `image/png` included."""
    asked = str(first(params, FORMATS) or "").lower().replace("jpg", "jpeg").replace("markdown", "md")
    return next((name for name in re.split(r"[^a-z0-9]+", asked) if name in known), default)


def shape_of(params: Mapping[str, Any]) -> tuple[float, float] | None:
    """16:9, "portrait", or both at once as in "portrait_4_3" (which is 3:4)."""
    for value in (first(params, SHAPES), first(params, ("image_size",))):
        text = str(value or "").lower()
        named = next((shape for name, shape in NAMED_SHAPES.items() if name in text), None)
        found = _RATIO.search(text)
        if not found or not float(found[1]) or not float(found[2]):
            if named:
                return named
            continue
        sides = float(found[1]), float(found[2])
        return (min(sides), max(sides)) if named == UPRIGHT else sides
    return None


def explicit_size(params: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height said outright: by two numbers or as "1024x1024"."""
    wide, high = number(params.get("width")), number(params.get("height"))
    if wide and high:
        return int(wide), int(high)
    sizes = (value for name in (*SIZES, *SHAPES) if (value := params.get(name)))
    return next((pair for value in sizes if (pair := _pair(value))), None)


def _pair(value: Any) -> tuple[int, int] | None:
    if isinstance(value, Mapping):
        wide, high = number(value.get("width")), number(value.get("height"))
        return (int(wide), int(high)) if wide and high else None
    found = _TIMES.search(str(value))
    return (int(found[1]), int(found[2])) if found else None


def image_size(params: Mapping[str, Any]) -> tuple[int, int]:
    """Exact pixels; for a named resolution the largest exact aspect whose long side fits it."""
    asked = explicit_size(params)
    if asked:
        return _within(asked, IMAGE_LONGEST)
    longest = LONG_SIDES.get(str(first(params, SIZES) or "").lower(), 1024)
    wide, high = shape_of(params) or SQUARE
    if wide.is_integer() and high.is_integer():
        unit = longest // int(max(wide, high))
        return int(wide) * unit, int(high) * unit
    return round(longest * wide / max(wide, high)), round(longest * high / max(wide, high))


def video_size(params: Mapping[str, Any], *, default: tuple[int, int] | None = None) -> tuple[int, int]:
    """Even pixels; a named resolution is the short side, as 720p says."""
    asked = explicit_size(params)
    if asked is None:
        named = str(first(params, SIZES) or "").lower()
        if default and not named and not shape_of(params):
            return even(default)
        short = SHORT_SIDES.get(named) or number(named if named.endswith("p") else None) or 720
        wide, high = shape_of(params) or default or WIDE
        asked = round(short * max(1, wide / high)), round(short * max(1, high / wide))
    return even(_within(asked, VIDEO_LONGEST))


def even(size: tuple[int, int]) -> tuple[int, int]:
    return max(16, math.ceil(size[0] / 2) * 2), max(16, math.ceil(size[1] / 2) * 2)


def _within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
