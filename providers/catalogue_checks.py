"""What a catalogue must mean beyond its shape: names that exist, tables that cover, paths that do not collide.

Every check reports and goes on; places whose shape is wrong were reported already and are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from .mapping import explain, key
from .measures import MEASURES
from .operations import OPERATIONS
from .pricing import parts
from .source import Source, Where
from .templates import PLACEHOLDER

ENV_NAME = re.compile(r"^[A-Z][A-Z0-9_]*$")
PLACES = ("model", "operation", "remote_id", "reference", "api_version", "memo", "params", "callback_url", "account")
FROM_INPUTS = ("per_second", "per_minute")  # may be measured by the length of a file instead of a parameter


def check(source: Source, slug: str) -> None:
    _check_slug(source, slug)
    _check_credentials(source)
    _check_keys(source, "credit_types", "key")
    _check_endpoints(source)
    _check_patterns(source)
    if isinstance(source.data.get("capabilities"), list):
        _check_capabilities(source)


def operations_of(row: Mapping[str, Any]) -> list[str]:
    return [row["operation"]] if "operation" in row else list(row.get("operations", ()))


def parameters_of(data: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Fragments the capability uses, its own words laid over them parameter by parameter."""
    shared = {name: data["parameters"][name] for name in row.get("use", ()) if name in data.get("parameters", {})}
    own = row.get("parameters", {})
    return {**shared, **{name: {**shared.get(name, {}), **rule} for name, rule in own.items()}}


# -- the provider ----------------------------------------------------------------------------------------------------
def _check_slug(source: Source, slug: str) -> None:
    if source.sound("slug") and source.data.get("slug", slug) != slug:
        source.report(
            ("slug",), f"{source.data['slug']} is not the folder's name", f"Write {slug} or rename the folder"
        )


def _check_keys(source: Source, section: str, name: str) -> None:
    seen: set[str] = set()
    for place, row in enumerate(_rows(source, section)):
        if row.get(name) in seen:
            source.report((section, place, name), f"{row[name]} is declared twice", "Keep one of the two")
        seen.add(row.get(name, ""))


def _check_credentials(source: Source) -> None:
    _check_keys(source, "credentials", "name")
    for place, row in enumerate(_rows(source, "credentials")):
        for name in row.get("env", ()):
            if not ENV_NAME.match(name):
                source.report(
                    ("credentials", place, "env"), f"{name} is no variable name", "Write it like ACME_API_KEY"
                )


def _check_patterns(source: Source) -> None:
    for place, row in enumerate(_rows(source, "errors")):
        try:
            re.compile(row.get("pattern", ""))
        except re.error as error:
            source.report(("errors", place, "pattern"), f"is no regular expression ({error})", "Correct it")


def _check_endpoints(source: Source) -> None:
    http = source.data.get("http")
    if not isinstance(http, Mapping) or not source.sound("http") or "endpoints" not in http:
        return
    verbs = http["endpoints"]
    for verb, endpoint in verbs.items():
        where = ("http", "endpoints", verb)
        for name in _placeholders(endpoint):
            if name not in PLACES:
                source.report(where, f"{{{name}}} is unknown here", f"Known: {', '.join(PLACES)}")
        if "state" in endpoint and not source.data.get("statuses"):
            source.report((*where, "state"), "needs a statuses table", "Add `statuses` with each of their words")
        if "path" not in endpoint:
            source.report(where, "lacks path", "Add it")
    if "submit" in verbs and "poll" not in verbs and "id" in verbs["submit"] and "outputs" not in verbs["submit"]:
        source.report(("http", "endpoints"), "submit gives an id nobody looks at", "Add `poll`, or `outputs` to submit")


def _placeholders(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (name.split(".")[0] for name in PLACEHOLDER.findall(value))
    for below in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _placeholders(below)


# -- capabilities ----------------------------------------------------------------------------------------------------
def _check_capabilities(source: Source) -> None:
    seen: set[tuple[str, str]] = set()
    rows = source.data["capabilities"]
    models = {row.get("model") for row in rows if isinstance(row, dict)}
    for place, row in enumerate(rows):
        where: Where = ("capabilities", place)
        if not source.sound(*where) or not source.sound("parameters"):
            continue
        for name in operations_of(row):
            if (row["model"], name) in seen:
                source.report(where, f"{row['model']} {name} stands here twice", "Remove one, or give it another model")
            seen.add((row["model"], name))
        _check_capability(source, where, row, models)


def _check_capability(source: Source, where: Where, row: Mapping[str, Any], models: set[Any]) -> None:
    rules = parameters_of(source.data, row)
    for name in row.get("use", ()):
        if name not in source.data.get("parameters", {}):
            source.report((*where, "use"), f"{name} is not under parameters", "Add the fragment or remove the name")
    for name in row.get("required", ()):
        if name not in rules:
            source.report((*where, "required"), f"{name} is no parameter", "Add the parameter or remove the name")
    for name, rule in rules.items():
        place = (*where, "parameters", name) if name in row.get("parameters", {}) else ("parameters", name)
        _check_parameter(source, place, rule, rules)
    own = source.data.get("operations", {})
    for name in operations_of(row):
        if name not in OPERATIONS and name not in own:
            source.report(where, f"{name} is no operation", "Take a standard one or declare it under `operations`")
    heir = (row.get("lifecycle") or {}).get("replaced_by")
    if heir and "/" not in heir and heir not in models:
        source.report((*where, "lifecycle", "replaced_by"), f"{heir} is no model here", "Name one, or provider/model")
    _check_paths(source, where, row, rules)
    declared = (source.data.get("http") or {}).get("endpoints", {})
    for verb, endpoint in row.get("http", {}).get("endpoints", {}).items():
        if "path" not in {**declared.get(verb, {}), **endpoint}:
            source.report((*where, "http", "endpoints", verb), "lacks path", "Add it here or under http")
    _check_price(source, (*where, "price"), row, rules)


def _check_parameter(source: Source, where: Where, rule: Mapping[str, Any], rules: Mapping[str, Any]) -> None:
    try:
        Draft202012Validator.check_schema(dict(rule))
    except SchemaError as refusal:
        source.report(where, f"is no JSON Schema: {refusal.message}", "Correct it")
        return
    if "default" in rule:
        for error in Draft202012Validator(dict(rule)).iter_errors(rule["default"]):
            source.report((*where, "default"), f"the default {explain(error)}", "Change the default or the rule")
    for name, want in rule.get("x-when", {}).items():
        if name not in rules:
            source.report((*where, "x-when"), f"{name} is no parameter", "Name a parameter of this capability")
            continue
        for value in want if isinstance(want, list) else [want]:
            if (allowed := _values(rules[name])) and key(value) not in allowed:
                source.report((*where, "x-when"), f"{name} is never {key(value)}", f"Allowed: {', '.join(allowed)}")


def _values(rule: Mapping[str, Any]) -> list[str]:
    """Every value a parameter can have, as table keys; empty when there is no end to them."""
    if rule.get("type") == "boolean":
        return ["true", "false"]
    return [key(value) for value in rule.get("enum", ())]


def _check_paths(source: Source, where: Where, row: Mapping[str, Any], rules: Mapping[str, Any]) -> None:
    """No two things may be written to one place, nor one into the middle of another, unless they exclude each other."""
    taken: list[tuple[str, str, Mapping[str, Any]]] = [(path, path, {}) for path in row.get("constants", {})]
    aimed = [(name, _path(rule), rule.get("x-when", {})) for name, rule in rules.items()]
    aimed += [(item["role"], _path(item), {}) for item in row.get("inputs", ())]
    for name, path, when in [item for item in aimed if item[1]]:
        for other, there, unless in taken:
            if _overlap(path, there) and not _exclusive(when, unless):
                source.report(where, f"{name} and {other} both go to {there}", "Give each a path of its own")
        taken.append((name, path, when))


def _path(rule: Mapping[str, Any]) -> str:
    target = rule.get("x-maps-to") or ""
    return target if isinstance(target, str) else str(target["path"])


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _exclusive(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return any(_keys(one[name]).isdisjoint(_keys(other[name])) for name in one.keys() & other.keys())


def _keys(want: Any) -> set[str]:
    return {key(value) for value in (want if isinstance(want, list) else [want])}


# -- prices ----------------------------------------------------------------------------------------------------------
def _check_price(source: Source, where: Where, row: Mapping[str, Any], rules: Mapping[str, Any]) -> None:
    declared = [item.get("key") for item in _rows(source, "credit_types")]
    credit = row["price"].get("credit", declared[0] if declared else "")
    free = all(part["kind"] == "free" for part in parts(row["price"]))
    if not free and credit not in declared:
        remedy = f"Declared: {', '.join(map(str, declared))}" if declared else "Add `credit_types`"
        source.report((*where, "credit"), f"{credit or 'nothing'} is no credit type", remedy)
    for part in parts(row["price"]):
        _check_rule(source, where, part, row, rules)


def _check_rule(source: Source, where: Where, rule: Mapping[str, Any], row: Mapping[str, Any], rules: Any) -> None:
    needed = {"free": (), "reported": ("max",)}.get(rule["kind"], ("rate",))
    for word in needed:
        if word not in rule:
            source.report(where, f"{rule['kind']} lacks {word}", "Add it")
    if isinstance(rate := rule.get("rate"), Mapping) and "table" in rate:
        _check_table(source, (*where, "rate"), rate, rules, covered="default" in rate)
    elif isinstance(rate, Mapping) != (rule["kind"] == "per_token") and rate is not None:
        source.report(
            (*where, "rate"), "has the wrong shape for its kind", "Tokens take {in, out}; the rest one amount"
        )
    roles = {item["role"] for item in row.get("inputs", ())} or None
    for word in ("factors", "adds"):
        for item in rule.get(word, ()):
            if "by" in item:
                _check_table(source, (*where, word), item, rules, covered=True)
            elif "input" in item and roles is not None and item["input"] not in roles:
                source.report((*where, word), f"{item['input']} is no input role", f"Roles: {', '.join(sorted(roles))}")
    _check_measure(source, where, rule, row, rules)


def _check_table(source: Source, where: Where, item: Mapping[str, Any], rules: Any, *, covered: bool) -> None:
    name, table = item["by"], item["table"]
    if name not in rules:
        source.report(where, f"{name} is no parameter", "Name a parameter of this capability")
        return
    allowed = _values(rules[name])
    for value in table:
        if allowed and value not in allowed:
            source.report((*where, "table"), f"{name} is never {value}", f"Allowed: {', '.join(allowed)}")
    absent = [value for value in allowed if value not in table]
    if not covered and (absent or not allowed):
        what = ", ".join(absent) or f"what {name} may be"
        source.report((*where, "table"), f"has no price for {what}", "Add rows or a default")


def _check_measure(source: Source, where: Where, rule: Mapping[str, Any], row: Mapping[str, Any], rules: Any) -> None:
    """A measure nobody gives would price the run at nothing."""
    kind = rule["kind"]
    if kind == "per_token" and "out" in rule.get("rate", {}) and "max_tokens" not in rule:
        source.report(where, "per_token lacks max_tokens", "Name the parameter or write the number")
    wanted = [rule["of"]] if "of" in rule else [rule["max_tokens"]] if isinstance(rule.get("max_tokens"), str) else []
    for name in [name for name in wanted if name not in rules]:
        source.report(where, f"{name} is no parameter", "Name a parameter of this capability")
    if kind not in MEASURES or kind == "per_image" or wanted or "assume" in rule:
        return
    names = MEASURES[kind][0]
    if not any(name in rules for name in names):
        seen = (
            "assume (the most it can be, used when a file's length is not known)" if kind in FROM_INPUTS else "assume"
        )
        source.report(where, f"{kind} has nothing to measure", f"Add a parameter {' or '.join(names)}, `of`, or {seen}")
    elif kind in FROM_INPUTS and not _bounded(rules["duration"], "duration" in row.get("required", ())):
        source.report(where, "duration may be left out", "Make it required, or give it a default or a maximum")


def _bounded(rule: Mapping[str, Any], required: bool) -> bool:
    return required or bool({"default", "maximum", "enum"} & rule.keys())


def _rows(source: Source, section: str) -> list[dict[str, Any]]:
    rows = source.data.get(section)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
