"""From catalogue.yaml to a Catalogue: read, checked for shape and meaning, built. All problems come out together."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from . import catalogue_checks
from .catalogue_types import (
    LIFECYCLE,
    POLLING,
    TIMEOUT,
    TRAITS,
    Capability,
    Catalogue,
    CredentialField,
    CreditType,
    ErrorRule,
    InputRole,
    Operation,
)
from .mapping import explain
from .operations import OPERATIONS
from .source import Source, Where

SCHEMA = Path(__file__).with_name("catalogue.schema.json")
EXTRA = {
    "type": "object",
    "title": "Extra",
    "description": "What has no name here: merged last into the request body.",
    "x-group": "advanced",
    "x-order": 1000,
}


def load(path: Path, *, slug: str | None = None) -> Catalogue:
    """The catalogue at `path` (the file or its folder); `slug` is what it must be called (its folder's name)."""
    file = path / "catalogue.yaml" if path.is_dir() else path
    source = Source(file)
    _check_shape(source)
    catalogue_checks.check(source, slug or file.resolve().parent.name)
    source.finish()
    return _build(source.data)


def discovered(catalogue: Catalogue, rows: list[dict[str, Any]]) -> tuple[Capability, ...]:
    """Capabilities found at run time, checked and built as if they stood in the catalogue."""
    if not rows:
        return ()
    known = catalogue.to_dict()
    whole = {name: known[name] for name in ("slug", "name", "kind", "traits", "polling", "credit_types")}
    whole |= {"http": {"timeout": catalogue.http.get("timeout", TIMEOUT)}, "capabilities": rows}
    whole["operations"] = {item.name: _as_written(item) for item in catalogue.operations}
    source = Source(Path(f"{catalogue.slug} (discovered)"), whole)
    _check_shape(source)
    catalogue_checks.check(source, catalogue.slug)
    source.finish()
    return _build(whole).capabilities


def _as_written(operation: Operation) -> dict[str, Any]:
    roles = [
        {"role": item.role, "kind": list(item.kinds), "min": item.min, "max": item.max, "label": item.label}
        for item in operation.inputs
    ]
    return {"label": operation.label, "kind": operation.kind, "inputs": roles, "outputs": list(operation.outputs)}


# -- shape -----------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=1)
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _check_shape(source: Source) -> None:
    for error in validator().iter_errors(source.data):
        for deeper in _nearest(error):
            for where, problem, remedy in _told(deeper):
                source.unsound.add(where)
                source.report(where, problem, remedy)


def _nearest(error: ValidationError) -> Iterator[ValidationError]:
    """Out of several permitted shapes, the errors of the one that was most likely meant: the deepest."""
    if error.validator not in ("anyOf", "oneOf") or not error.context:
        yield error
        return
    branches: dict[Any, list[ValidationError]] = {}
    for below in error.context:
        branches.setdefault(below.schema_path[0], []).append(below)
    depth = len(error.absolute_path)
    deep = [group for group in branches.values() if any(len(item.absolute_path) > depth for item in group)]
    if not deep:
        yield error
        return
    for below in min(deep, key=len):
        yield from _nearest(below)


def _told(error: ValidationError) -> Iterator[tuple[Where, str, str]]:
    where: Where = tuple(error.absolute_path)
    shape: Any = error.schema
    given: Any = error.instance
    if error.validator == "additionalProperties":
        known = list(shape.get("properties", {}))
        for name in (name for name in given if name not in known):
            near = difflib.get_close_matches(name, known, n=1)
            yield (*where, name), "is not a word of the catalogue", f"Write {near[0]}" if near else _known(known)
    elif "propertyNames" in error.absolute_schema_path:
        yield (*where, given), "is not a name", "Use small letters, digits and underscores"
    elif error.validator in ("anyOf", "oneOf"):
        yield where, "has none of the permitted shapes", f"Write {_shapes(error.validator_value, shape)}"
    elif error.validator == "required":
        yield where, explain(error), "Add it"
    else:
        yield where, f"{_short(given)} {explain(error)}", f"See `{_title(error)}` in catalogue.schema.json"


def _known(names: list[str]) -> str:
    return f"Known: {', '.join(names)}" if names else "Remove it"


def _shapes(permitted: Any, shape: Any) -> str:
    named = [" and ".join(one["required"]) for one in permitted if "required" in one]
    words = f"one of: {'; '.join(named)}" if named else shape.get("description", "text, or an object")
    return str(words).rstrip(".")


def _title(error: ValidationError) -> str:
    return next((str(step) for step in reversed(error.absolute_path) if isinstance(step, str)), "slug")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:39]}…"


# -- building --------------------------------------------------------------------------------------------------------
PLAIN = ("slug", "name", "kind", "description", "website", "docs", "version", "author", "enabled", "checked", "http")
ASIDE = ("capture", "concurrency", "rate")


def _build(data: Mapping[str, Any]) -> Catalogue:
    traits = {**dict.fromkeys(TRAITS, False), **data.get("traits", {})}
    polling = {**POLLING, **data.get("polling", {})}
    own = {name: _operation(name, row) for name, row in data.get("operations", {}).items()}
    return Catalogue(
        **{name: data[name] for name in (*PLAIN, *ASIDE) if name in data},
        domains=tuple(data.get("domains", ())),
        statuses={str(word): state for word, state in data.get("statuses", {}).items()},
        traits=traits,
        polling=polling,
        credentials=tuple(_credential(row) for row in data.get("credentials", ())),
        credit_types=tuple(_credit_type(row) for row in data.get("credit_types", ())),
        errors=tuple(ErrorRule(**{**row, **_code(row)}) for row in data.get("errors", ())),
        operations=tuple(own.values()),
        capabilities=tuple(_capabilities(data, OPERATIONS | own, traits, polling)),
    )


def _code(row: Mapping[str, Any]) -> dict[str, str]:
    return {"code": str(row["code"])} if "code" in row else {}


def _operation(name: str, row: Mapping[str, Any]) -> Operation:
    inputs = tuple(_role(item) for item in row.get("inputs", ()))
    phrase = row.get("phrase", row["label"].lower())
    outputs = tuple(row["outputs"])
    return Operation(
        name=name, label=row["label"], phrase=phrase, kind=row.get("kind", outputs[0]), inputs=inputs, outputs=outputs
    )


def _credential(row: Mapping[str, Any]) -> CredentialField:
    return CredentialField(**{**row, "label": row.get("label", _words(row["name"])), "env": tuple(row.get("env", ()))})


def _credit_type(row: Mapping[str, Any]) -> CreditType:
    return CreditType(**{**row, "label": row.get("label", _words(row["key"])), "credits": str(row.get("credits", "1"))})


def _role(row: Mapping[str, Any]) -> InputRole:
    kinds = (row["kind"],) if isinstance(row["kind"], str) else tuple(row["kind"])
    return InputRole(
        role=row["role"],
        kinds=kinds,
        min=row.get("min", 0),
        max=row.get("max", 1),
        mime=tuple(row.get("mime", ())),
        max_bytes=row.get("max_bytes"),
        label=row.get("label", _words(row["role"])),
        maps_to=row.get("x-maps-to"),
    )


def _capabilities(
    data: Mapping[str, Any],
    operations: Mapping[str, Operation],
    traits: Mapping[str, bool],
    polling: Mapping[str, Any],
) -> Iterator[Capability]:
    timeout = data.get("http", {}).get("timeout", TIMEOUT)
    position = 0
    for row in data["capabilities"]:
        names = catalogue_checks.operations_of(row)
        for name in names:
            yield Capability(
                model=row["model"],
                operation=name,
                label=row.get("label", row["model"]),
                description=row.get("description", ""),
                schema=schema_of(data, row),
                inputs=_inputs(row, operations, name, names),
                outputs=tuple(row.get("outputs", operations[name].outputs)),
                price=_price(row["price"], data),
                limits=row.get("limits", {}),
                lifecycle={**LIFECYCLE, "checked": data.get("checked", ""), **row.get("lifecycle", {})},
                traits={**traits, **row.get("traits", {})},
                polling={**polling, **row.get("polling", {})},
                timeout=row.get("http", {}).get("timeout", timeout),
                endpoints=row.get("http", {}).get("endpoints", {}),
                expected_seconds=row.get("expected_seconds"),
                result_lifetime=row.get("result_lifetime"),
                constants=row.get("constants", {}),
                position=position,
            )
            position += 1


def schema_of(data: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """One complete JSON Schema: shared fragments, own parameters laid over them, and `extra`."""
    rules = catalogue_checks.parameters_of(data, row)
    titled = {name: {"title": _words(name), **rule} for name, rule in rules.items()}
    return {
        "type": "object",
        "properties": {**titled, **({} if "extra" in titled else {"extra": EXTRA})},
        "required": list(row.get("required", ())),
        "additionalProperties": False,
    }


def _inputs(
    row: Mapping[str, Any], operations: Mapping[str, Operation], name: str, names: list[str]
) -> tuple[InputRole, ...]:
    """Roles as written, else the verb's. Of several verbs each keeps its own roles, and needs what the verb needs."""
    own = {item.role: item for item in operations[name].inputs}
    if "inputs" not in row:
        return tuple(own.values())
    others = {item.role for other in names for item in operations[other].inputs} - own.keys()
    roles = [_role(item) for item in row["inputs"] if item["role"] not in others]
    return tuple(_at_least(role, own[role.role].min) if role.role in own else role for role in roles)


def _at_least(role: InputRole, least: int) -> InputRole:
    return replace(role, min=max(role.min, least))


def _price(rule: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    first = next((row["key"] for row in data.get("credit_types", ())), "")
    return {"credit": first, **rule}


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
