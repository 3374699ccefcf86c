"""What a parameter's JSON Schema says in simple words: its type, its options, whether its x-when holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TYPES = ("string", "integer", "number", "boolean", "array", "object")


def simple(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec with the first branch of anyOf/oneOf that is not null laid over it."""
    branches = spec.get("anyOf") or spec.get("oneOf") or ()
    branch: Mapping[str, Any] = next((item for item in branches if item.get("type") != "null"), {})
    return {**branch, **spec}


def kind_of(spec: Mapping[str, Any]) -> str:
    said = simple(spec).get("type")
    kinds = [said] if isinstance(said, str) else [item for item in said or () if item != "null"]
    if kinds and kinds[0] in TYPES:
        return str(kinds[0])
    options = options_of(spec)
    if options:
        return _kind_of_value(options[0])
    return _kind_of_value(spec.get("default", ""))


def _kind_of_value(value: Any) -> str:
    table = ((bool, "boolean"), (int, "integer"), (float, "number"), (list, "array"), (dict, "object"))
    return next((name for kind, name in table if isinstance(value, kind)), "string")


def options_of(spec: Mapping[str, Any]) -> list[Any]:
    """Its enum, or the consts of its branches."""
    if "enum" in spec:
        return list(spec["enum"])
    branches = spec.get("anyOf") or spec.get("oneOf") or ()
    found = [value for item in branches for value in ([item["const"]] if "const" in item else item.get("enum", []))]
    return found if len(found) >= len(branches) and found else []


def applies(when: Mapping[str, Any] | None, values: Mapping[str, Any]) -> bool:
    """x-when: every parameter named has the value, or one of the values."""
    return all(
        values.get(name) in wanted if isinstance(wanted, list) else values.get(name) == wanted
        for name, wanted in (when or {}).items()
    )
