"""From a person's parameters to a provider's body, and the plain words for what does not fit the schema.

A parameter whose `x-when` is not met does not exist: it is dropped from body and price, and refused when given.
"""

from __future__ import annotations

import base64
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from .catalogue_types import Capability, InputRole
from .errors import ProviderError
from .types import InputFile, Problem


# -- parameters ------------------------------------------------------------------------------------------------------
def key(value: Any) -> str:
    """A parameter's value as the key of a table: true, 4 and 4.0 read `true`, `4` and `4`."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def fill_defaults(schema: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """What is really sent and priced: given values, defaults for the rest, without what does not apply."""
    rules = schema.get("properties", {})
    filled = {name: rule["default"] for name, rule in rules.items() if "default" in rule} | _given(rules, params)
    while dropped := [name for name in filled if unmet(rules.get(name, {}), filled)]:
        filled = {name: value for name, value in filled.items() if name not in dropped}
    return filled


def unmet(rule: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions of `x-when` that these parameters do not meet."""
    return {name: want for name, want in rule.get("x-when", {}).items() if not _meets(params, name, want)}


def _meets(params: Mapping[str, Any], name: str, want: Any) -> bool:
    return name in params and key(params[name]) in [key(value) for value in _listed(want)]


def _given(rules: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """null means left out, unless the parameter itself takes null."""
    return {name: value for name, value in params.items() if value is not None or _nullable(rules.get(name, {}))}


def _nullable(rule: Mapping[str, Any]) -> bool:
    return "null" in _listed(rule.get("type")) or None in rule.get("enum", ())


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


# -- validation ------------------------------------------------------------------------------------------------------
def validate(schema: Mapping[str, Any], params: Mapping[str, Any]) -> list[Problem]:
    """Everything wrong with the parameters, each by name with what to do."""
    rules = schema.get("properties", {})
    filled = fill_defaults(schema, params)
    # Conditions are judged over what was asked for, so that dropping one parameter is not blamed on its dependants.
    wanted = {name: rule["default"] for name, rule in rules.items() if "default" in rule} | _given(rules, params)
    found = [_unknown(name, rules) for name in params if name not in rules]
    missing = [
        name for name in schema.get("required", ()) if name not in wanted and not unmet(rules.get(name, {}), filled)
    ]
    found += [Problem(field=name, message=f"{name} is needed.") for name in missing]
    for name, value in _given(rules, params).items():
        if name in rules and name not in filled:
            found.append(_idle(name, rules[name], wanted, filled))
        elif name in rules:
            found += [_wrong(name, error) for error in Draft202012Validator(dict(rules[name])).iter_errors(value)]
    return found


def _unknown(name: str, rules: Mapping[str, Any]) -> Problem:
    near = difflib.get_close_matches(name, list(rules), n=1)
    hint = f"did you mean {near[0]}?" if near else "what is not listed for this model goes into extra."
    return Problem(field=name, message=f"Unknown parameter {name}; {hint}")


def _idle(name: str, rule: Mapping[str, Any], wanted: Mapping[str, Any], filled: Mapping[str, Any]) -> Problem:
    missed = unmet(rule, wanted) or unmet(rule, filled)
    terms = " and ".join(f"{other} is {' or '.join(map(key, _listed(want)))}" for other, want in missed.items())
    return Problem(field=name, message=f"{name} only applies when {terms}; leave it out or change that.")


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_WORDS = {
    "type": lambda want, _: f"must be {' or '.join(_TYPES.get(name, name) for name in _listed(want))}",
    "enum": lambda want, _: f"must be one of {', '.join(map(key, want))}",
    "const": lambda want, _: f"must be {key(want)}",
    "minimum": lambda want, _: f"must be at least {want}",
    "maximum": lambda want, _: f"must be at most {want}",
    "exclusiveMinimum": lambda want, _: f"must be more than {want}",
    "exclusiveMaximum": lambda want, _: f"must be less than {want}",
    "multipleOf": lambda want, _: f"must be a multiple of {want}",
    "minLength": lambda want, _: "must not be empty" if want == 1 else f"must have at least {want} characters",
    "maxLength": lambda want, got: f"must have at most {want} characters; it has {len(got)}",
    "minItems": lambda want, _: f"must list at least {want}",
    "maxItems": lambda want, got: f"must list at most {want}; it lists {len(got)}",
    "pattern": lambda want, _: f"must match {want}",
    "required": lambda want, got: f"lacks {', '.join(name for name in want if name not in got)}",
}


def explain(error: ValidationError) -> str:
    """One jsonschema error in plain words: `must be …`."""
    words = _WORDS.get(str(error.validator))
    return words(error.validator_value, error.instance) if words else error.message


def _wrong(name: str, error: ValidationError) -> Problem:
    field = ".".join([name, *map(str, error.absolute_path)])
    return Problem(field=field, message=f"{field} {explain(error)}.")


# -- inputs ----------------------------------------------------------------------------------------------------------
def check_inputs(capability: Capability, inputs: Iterable[InputFile]) -> list[Problem]:
    """Roles, numbers, media and sizes of the files given."""
    given = list(inputs)
    known = [role.role for role in capability.inputs]
    found = [_stray(item.role, known) for item in given if item.role not in known]
    for role in capability.inputs:
        found += _role_problems(role, [item for item in given if item.role == role.role])
    return found


def _stray(role: str, known: Sequence[str]) -> Problem:
    takes = f"it takes {', '.join(known)}" if known else "it takes none"
    return Problem(field=f"inputs.{role}", message=f"This model has no input called {role}; {takes}.")


def _role_problems(role: InputRole, given: Sequence[InputFile]) -> list[Problem]:
    found = []
    if len(given) < role.min:
        found.append(f"{role.role} needs at least {role.min} {'file' if role.min == 1 else 'files'}.")
    if role.max is not None and len(given) > role.max:
        found.append(
            f"{role.role} takes at most {role.max} {'file' if role.max == 1 else 'files'}; {len(given)} were given."
        )
    for item in given:
        if item.kind not in role.kinds or (role.mime and not _takes(role.mime, item.mime)):
            found.append(f"{role.role} takes {', '.join(role.mime or role.kinds)}, not {item.mime or item.kind}.")
        if role.max_bytes and item.bytes > role.max_bytes:
            found.append(f"{role.role} may have at most {role.max_bytes} bytes; this file has {item.bytes}.")
    return [Problem(field=f"inputs.{role.role}", message=message) for message in found]


def _takes(allowed: Sequence[str], mime: str) -> bool:
    return mime in allowed or f"{mime.split('/')[0]}/*" in allowed


# -- body ------------------------------------------------------------------------------------------------------------
def map_params(
    capability: Capability, params: Mapping[str, Any], inputs: Iterable[InputFile], model: str
) -> dict[str, Any]:
    """The request body the catalogue describes: constants, parameters, input addresses, then `extra` over it all."""
    filled, given = fill_defaults(capability.schema, params), list(inputs)
    names = {"{model}": model, "{operation}": capability.operation}
    tree: dict[Any, Any] = {}
    for path, value in capability.constants.items():
        _put(tree, path, names.get(value, value) if isinstance(value, str) else value)
    for name, value in filled.items():
        if target := capability.schema.get("properties", {}).get(name, {}).get("x-maps-to"):
            _put(tree, *_aimed(target, value))
    for role in capability.inputs:
        _put_inputs(tree, capability, role, [item for item in given if item.role == role.role])
    return merge(_shaped(tree), filled.get("extra") or {})


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: objects go together, anything else is replaced."""
    both = {name: merge(base[name], value) for name, value in over.items() if _objects(base.get(name), value)}
    return {**base, **over, **both}


def _objects(one: Any, other: Any) -> bool:
    return isinstance(one, Mapping) and isinstance(other, Mapping)


def _as_number(value: Any) -> Any:
    """ "8" → 8, "2.5" → 2.5; words such as auto stay."""
    for kind in (int, float):
        with suppress(ValueError, TypeError):
            return kind(value)
    return value


_AS: dict[str, Callable[[Any], Any]] = {"string": key, "number": _as_number, "list": lambda value: [value]}


def _aimed(target: Any, value: Any) -> tuple[str, Any]:
    if isinstance(target, str):
        return target, value
    value = target.get("values", {}).get(key(value), value)
    return target["path"], _AS[target["as"]](value) if "as" in target else value


def _put_inputs(tree: dict[Any, Any], capability: Capability, role: InputRole, given: Sequence[InputFile]) -> None:
    if not given or not role.maps_to:
        return
    target = role.maps_to if isinstance(role.maps_to, Mapping) else {"path": role.maps_to}
    how = "url" if capability.traits.get("public_inputs") else target.get("as", "")
    sent = [address(item, how) for item in given]
    _put(tree, target["path"], sent if role.max != 1 or how == "list" else sent[0])


def address(item: InputFile, how: str = "") -> str:
    """How a provider gets at an input: its own name for it, our address, or the bytes themselves."""
    if item.remote and how != "base64":
        return item.remote
    if item.url and how not in ("data", "base64"):
        return item.url
    if how == "url" or item.path is None:
        raise ProviderError(
            "input_unusable",
            f"{item.role} must be at a public address; set APP_URL or choose a model that takes uploads.",
        )
    text = base64.b64encode(item.path.read_bytes()).decode()
    return text if how == "base64" else f"data:{item.mime};base64,{text}"


def _put(tree: dict[Any, Any], path: str, value: Any) -> None:
    *above, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in above:
        tree = tree.setdefault(step, {})
    tree[last] = value


def _shaped(tree: Any) -> Any:
    """Levels addressed only by digits become lists, in order and without gaps."""
    if not isinstance(tree, dict):
        return tree
    if tree and all(isinstance(step, int) for step in tree):
        return [_shaped(tree[step]) for step in sorted(tree)]
    return {str(step): _shaped(below) for step, below in tree.items()}
