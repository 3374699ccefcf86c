"""The one template language of a catalogue: `{name}` filled from a dictionary, without conditions or loops."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote as _quote

from .errors import ProviderError
from .mapping import merge
from .types import dig

PLACEHOLDER = re.compile(r"\{([a-z_]+(?:\.[A-Za-z0-9_]+)*)\}")


def address(template: str, values: Mapping[str, Any]) -> str:
    """A path: each placeholder one quoted segment, {model} with its slashes, a lone {memo.x} as it is."""
    if alone := PLACEHOLDER.fullmatch(template):
        return str(_value(alone[1], values))
    return PLACEHOLDER.sub(
        lambda found: _quote(str(_value(found[1], values)), safe="/" * (found[1] == "model")), template
    )


def _value(name: str, values: Mapping[str, Any]) -> Any:
    found = dig(values, name)
    if not found or found[0] is None:
        raise ProviderError("bad_reply", f"The address needs {{{name}}}, which nothing gave.")
    return found[0]


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """A body: a lone placeholder keeps its type, what has no value is left out, `$mapped` is the mapped body."""
    if isinstance(template, Mapping):
        inner = values["mapped"] if "$mapped" in template else {}
        rest = {name: filled(below, values) for name, below in template.items() if name != "$mapped"}
        return merge(
            inner, {name: below for name, below in rest.items() if below is not None or template[name] is None}
        )
    if isinstance(template, list):
        return [item for item in (filled(below, values) for below in template) if item is not None]
    if template == "$mapped":
        return values["mapped"]
    return _text(template, values) if isinstance(template, str) else template


def _text(template: str, values: Mapping[str, Any]) -> Any:
    alone = PLACEHOLDER.fullmatch(template)
    if alone:
        return next(iter(dig(values, alone[1])), None)
    parts = {name: next(iter(dig(values, name)), None) for name in PLACEHOLDER.findall(template)}
    if None in parts.values():
        return None
    return PLACEHOLDER.sub(lambda found: str(parts[found[1]]), template)


def texts(templates: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    made = {name: _text(template, values) for name, template in templates.items()}
    return {name: str(value) for name, value in made.items() if value is not None}
