"""Parameter schemas as form fields: one spec draws the composer and reads what a plain form sends back.

Nothing here knows a parameter by meaning beyond the common names; what a future catalogue adds is drawn by its type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from accounts.errors import field_errors

from .schemas import applies, kind_of, options_of, simple

PROMPTS = ("prompt", "text", "lyrics", "script", "input")
LABELS = {
    "aspect_ratio": "Aspect",
    "duration": "Length",
    "resolution": "Size",
    "count": "How many",
    "negative_prompt": "Avoid",
    "fps": "Frame rate",
    "extra": "Passed on as it is",
}
UNITS = {"duration": "s", "fps": "fps"}
ICONS = {
    "aspect": "ratio",
    "seed": "dices",
    "duration": "timer",
    "resolution": "scaling",
    "count": "layers",
    "voice": "mic",
    "language": "languages",
}
PREFIXES = {"count": "×"}
GROUPS = ("core", "", "look", "output")
FOLDED = ("advanced", "more", "expert", "extra")
CHIPS_SHOWN = 7
FEW = 6
LONG_TEXT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    value: str
    label: str
    json: str
    chosen: bool
    frame: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter as it is asked: `shown` is what its chip says, `active` whether its x-when holds now."""

    name: str
    label: str
    type: str
    widget: str
    help: str = ""
    group: str = ""
    icon: str = ""
    unit: str = ""
    prefix: str = ""
    value: Any = None
    text: str = ""
    shown: str = ""
    required: bool = False
    active: bool = True
    when: str = ""
    choices: list[Choice] = field(default_factory=list)
    minimum: Any = None
    maximum: Any = None
    step: Any = "any"
    max_length: int | None = None
    errors: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"params.{self.name}"

    @property
    def frame(self) -> tuple[float, float, float, float] | None:
        """Of an aspect: the chosen little frame, drawn on the chip."""
        return next((choice.frame for choice in self.choices if choice.chosen), None)


def fields_of(
    schema: Mapping[str, Any], values: Mapping[str, Any] | None = None, errors: Mapping[str, list[str]] | None = None
) -> list[Field]:
    """Every parameter in its order, holding the given values where they still fit, else the defaults."""
    properties = {name: spec for name, spec in schema.get("properties", {}).items() if "const" not in spec}
    kept = {name: fitting(spec, (values or {}).get(name)) for name, spec in properties.items()}
    required = set(schema.get("required", ()))
    return [
        _field(name, properties[name], kept, required=name in required, errors=(errors or {}).get(f"params.{name}", []))
        for name in sorted(properties, key=lambda name: _place(name, properties[name]))
    ]


def _place(name: str, spec: Mapping[str, Any]) -> tuple[int, str, float, str]:
    """Groups in our order, unknown ones between, the folded ones last; x-order within."""
    group = str(spec.get("x-group", "")).lower()
    rank = GROUPS.index(group) if group in GROUPS else len(GROUPS) + (group in FOLDED)
    return rank, group, spec.get("x-order", 100), name


def arrange(fields: list[Field]) -> tuple[Field | None, list[Field], dict[str, list[Field]]]:
    """(the box people write in, the chips of their own, the rest under "More" by group)."""
    prompt = next((item for name in PROMPTS for item in fields if item.name == name and item.type == "string"), None)
    prompt = prompt or next((item for item in fields if item.required and item.widget == "textarea"), None)
    rest = [item for item in fields if item is not prompt]
    chips = [item for item in rest if item.group.lower() not in FOLDED and item.widget != "json"]
    shown = chips[:CHIPS_SHOWN]
    more: dict[str, list[Field]] = {}
    for item in rest:
        if item not in shown:
            more.setdefault(item.group or "Other", []).append(item)
    return prompt, shown, more


def fitting(spec: Mapping[str, Any], value: Any) -> Any:
    """The value when this schema still takes it, else its default (None: left to the provider)."""
    default = spec.get("default")
    if value is None:
        return default
    options = options_of(spec)
    if options:
        return next((option for option in options if str(option) == str(value)), default)
    kind = kind_of(spec)
    if kind in ("integer", "number"):
        return _clamped(spec, value, default)
    same = {"boolean": bool, "string": str, "array": list, "object": dict}[kind]
    return value if isinstance(value, same) else default


def _clamped(spec: Mapping[str, Any], value: Any, default: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    least, most = spec.get("minimum", value), spec.get("maximum", value)
    held = min(max(value, least), most)
    return int(held) if kind_of(spec) == "integer" else held


def _field(
    name: str, spec: Mapping[str, Any], values: Mapping[str, Any], *, required: bool, errors: list[str]
) -> Field:
    value, widget = values[name], widget_of(name, spec)
    unit = spec.get("x-unit") or UNITS.get(name, "")
    choices = choices_of(spec, value, optional=not required and "default" not in spec)
    when = spec.get("x-when")
    return Field(
        name=name,
        label=LABELS.get(name) or spec.get("title") or name.replace("_", " ").capitalize(),
        type=kind_of(spec),
        widget=widget,
        help=spec.get("description", ""),
        group=spec.get("x-group", ""),
        icon=ICONS.get(widget) or ICONS.get(name, ""),
        unit=unit,
        prefix=PREFIXES.get(name, ""),
        value=value,
        text=_text(value),
        shown=_shown(name, value, unit, choices),
        required=required,
        active=applies(when, values),
        when=json.dumps(when) if when else "",
        choices=choices,
        minimum=spec.get("minimum", spec.get("exclusiveMinimum")),
        maximum=spec.get("maximum", spec.get("exclusiveMaximum")),
        step=spec.get("multipleOf") or (1 if kind_of(spec) == "integer" else "any"),
        max_length=simple(spec).get("maxLength"),
        errors=errors,
    )


def widget_of(name: str, spec: Mapping[str, Any]) -> str:
    """The widget its schema asks for; x-widget may say another that suits its type."""
    asked, kind, options = spec.get("x-widget", ""), kind_of(spec), options_of(spec)
    if kind == "array":
        return "checks" if options_of(spec.get("items", {})) else "list"
    if options or few_of(spec):
        return _choice_widget(name, asked, options or few_of(spec))
    if name == "seed" or asked == "seed":
        return "seed"
    if kind == "string":
        long = asked == "textarea" or simple(spec).get("maxLength", 0) >= LONG_TEXT
        return "textarea" if long or name in PROMPTS or name.endswith("prompt") else "text"
    if kind in ("integer", "number"):
        bounded = "minimum" in spec and "maximum" in spec and "default" in spec
        return "range" if bounded else "number"
    return {"boolean": "switch"}.get(kind, "json")


def _choice_widget(name: str, asked: str, options: list[Any]) -> str:
    if asked == "aspect" or all(frame_of(option) for option in options if option not in ("auto", "adaptive")):
        return "aspect"
    short = len(options) <= FEW and sum(len(str(option)) for option in options) <= 34
    return "segments" if (short and asked != "select") or asked in ("segmented", "segments") else "select"


def few_of(spec: Mapping[str, Any]) -> list[int]:
    """A handful of whole numbers is quicker to press than to type."""
    least, most = spec.get("minimum"), spec.get("maximum")
    if not isinstance(least, int) or not isinstance(most, int) or most - least >= FEW:
        return []
    whole = kind_of(spec) == "integer" and "default" in spec and "multipleOf" not in spec
    return list(range(least, most + 1)) if whole else []


def choices_of(spec: Mapping[str, Any], value: Any, *, optional: bool = False) -> list[Choice]:
    several = kind_of(spec) == "array"
    labels = spec.get("x-labels", {})
    options = options_of(spec.get("items", {}) if several else spec) or few_of(spec)
    chosen = (value or []) if several else [value]
    made = [
        Choice(
            value=str(option),
            label=labels.get(str(option)) or str(option).replace("_", " "),
            json=json.dumps(option),
            chosen=option in chosen,
            frame=frame_of(option),
        )
        for option in options
        if option is not None
    ]
    blank = Choice(value="", label="Auto", json="null", chosen=value is None)
    return [blank, *made] if optional and options and not several else made


def frame_of(option: Any) -> tuple[float, float, float, float] | None:
    """x, y, width, height of a little frame of this aspect in a 36 × 28 box."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*[:x×]\s*(\d+(?:\.\d+)?)", str(option))
    if not found or not float(found[1]) or not float(found[2]):
        return None
    ratio = float(found[1]) / float(found[2])
    wide, high = min(34.0, 26.0 * ratio), min(26.0, 34.0 / ratio)
    return round(18 - wide / 2, 2), round(14 - high / 2, 2), round(wide, 2), round(high, 2)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def _shown(name: str, value: Any, unit: str, choices: list[Choice]) -> str:
    if value is None or value in ("", []):
        return "random" if name == "seed" else "auto" if choices or name != "negative_prompt" else "nothing"
    picked = [choice.label for choice in choices if choice.chosen]
    said = ", ".join(picked) or (_text(value).split("\n")[0] if not isinstance(value, float) else f"{value:g}")
    return f"{PREFIXES.get(name, '')}{said} {unit}".strip()[:40]


def read(schema: Mapping[str, Any], posted: Mapping[str, str], several: Any = None) -> dict[str, Any]:
    """Parameters from a plain form post (`params.NAME`); what the form left blank is left out."""
    params: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    for name, spec in schema.get("properties", {}).items():
        key = f"params.{name}"
        if kind_of(spec) == "boolean" and f"{key}.asked" in posted:
            params[name] = key in posted
        elif posted.get(key, "").strip():
            try:
                params[name] = _typed(spec, posted[key], several(key) if several else [posted[key]])
            except ValueError as error:
                wrong[key] = [str(error)]
    if wrong:
        raise field_errors(wrong)
    return params


def _typed(spec: Mapping[str, Any], text: str, texts: list[str]) -> Any:
    kind = kind_of(spec)
    if kind == "array":
        lines = (
            texts if options_of(spec.get("items", {})) else [line.strip() for line in text.splitlines() if line.strip()]
        )
        return [_typed(spec.get("items", {}), line, [line]) for line in lines]
    options = options_of(spec)
    if options:
        return next((option for option in options if str(option) == text), text)
    if kind in ("integer", "number"):
        return _number(text, whole=kind == "integer")
    if kind == "object":
        return json.loads(text)
    return text


def _number(text: str, *, whole: bool) -> int | float:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        raise ValueError("Write a whole number." if whole else "Write a number.") from None
