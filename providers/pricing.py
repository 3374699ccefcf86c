"""Price rules: what a request costs in one of the provider's credit types, line by line; with usage, what it did cost.

Decimals throughout; only a line's total is rounded, up, to one millionth. A quote that is not exact is a maximum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import Any

from .catalogue_types import Capability
from .mapping import fill_defaults, key
from .measures import COUNTED, MEASURES, Facts, count, decimal, limit, plain, text_bytes, up
from .types import InputFile, Quote, QuoteLine, Usage


@dataclass(frozen=True, slots=True)
class _Line:
    label: str
    amount: Decimal
    exact: bool = True


def quote(
    capability: Capability,
    params: Mapping[str, Any],
    *,
    inputs: Iterable[InputFile | str] = (),
    plan: str = "",
    usage: Usage | None = None,
) -> Quote:
    """The price of these parameters; `inputs` are the files, or just the roles, that go with them."""
    rule = capability.price
    credit = str(rule.get("credit", ""))
    if usage and (told := _told(usage, credit)):
        return told
    given = list(inputs)
    facts = Facts(
        schema=capability.schema,
        params=fill_defaults(capability.schema, params),
        inputs=[item for item in given if isinstance(item, InputFile)],
        roles=frozenset(item.role if isinstance(item, InputFile) else item for item in given),
        plan=plan,
        usage=usage or Usage(),
    )
    with localcontext(Context(prec=60)):
        lines = [line for part in parts(rule) for line in _lines(part, facts)]
        total = sum((line.amount for line in lines), Decimal(0))
    shown = tuple(QuoteLine(label=line.label, amount=line.amount) for line in lines)
    return Quote(amount=total, credit_type=credit, lines=shown, exact=all(line.exact for line in lines))


def typical(capability: Capability) -> Quote:
    """What one run usually costs, for lists: the rule's own word, else the price of the defaults."""
    rule = capability.price
    if "typical" not in rule:
        return quote(capability, {})
    amount = up(decimal(rule["typical"]))
    line = QuoteLine(label="Usually", amount=amount)
    return Quote(amount=amount, credit_type=str(rule.get("credit", "")), lines=(line,), exact=False)


def parts(rule: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The simple rules a price is the sum of."""
    return [simple for part in rule["lines"] for simple in parts(part)] if "lines" in rule else [rule]


def _told(usage: Usage, credit: str) -> Quote | None:
    """What the provider itself said it charged stands above any rule."""
    amount, label = (Decimal(0), "Not charged") if usage.charged is False else (usage.cost, "As the provider reports")
    if amount is None:
        return None
    amount = up(max(amount, Decimal(0)))
    line = QuoteLine(label=label, amount=amount)
    return Quote(amount=amount, credit_type=usage.credit_type or credit, lines=(line,))


def _lines(rule: Mapping[str, Any], facts: Facts) -> list[_Line]:
    base = _KINDS[rule["kind"]](rule, facts)
    for factor, name in _factors(rule, facts):
        base = _Line(f"{base.label} × {plain(factor)}{f' ({name})' if name else ''}", base.amount * factor, base.exact)
    least = decimal(rule.get("min", 0))
    if base.amount < least:
        base = _Line(f"{base.label}, at least {plain(least)}", least, base.exact)
    label = f"{rule['label']}: {base.label}" if "label" in rule else base.label
    return [_Line(label, up(base.amount), base.exact), *_adds(rule, facts)]


# -- what is counted -------------------------------------------------------------------------------------------------
def _fixed(rule: Mapping[str, Any], facts: Facts) -> _Line:
    rate, exact = _rate(rule["rate"], facts)
    return _Line("Per run", rate, exact)


def _free(rule: Mapping[str, Any], facts: Facts) -> _Line:
    return _Line("Free", Decimal(0))


def _reported(rule: Mapping[str, Any], facts: Facts) -> _Line:
    return _Line("At most; the provider reports the price", decimal(rule["max"]), exact=False)


def _counted(rule: Mapping[str, Any], facts: Facts) -> _Line:
    measure = COUNTED[rule["kind"]](rule, facts)
    rate, exact = _rate(rule["rate"], facts)
    unit = Decimal(MEASURES[rule["kind"]][2]) * decimal(rule.get("per", 1))
    per = " per minute" if rule["kind"] == "per_minute" else f" per {plain(unit)}" if unit != 1 else ""
    label = f"{measure.text} × {plain(rate)}{per}"
    return _Line(label, measure.size * rate / unit, measure.exact and exact)


def _tokens(rule: Mapping[str, Any], facts: Facts) -> _Line:
    """`tokens_in` includes the cached ones. Before the run: one token per byte of text at most, and max_tokens out."""
    rates = {name: decimal(value) for name, value in rule["rate"].items()}
    used = facts.usage
    known = used.tokens_in is not None or used.tokens_out is not None
    cached = min(used.tokens_cached or 0, used.tokens_in or 0)
    taken = (used.tokens_in or 0) if known else text_bytes(facts.params) + int(decimal(rule.get("assume", 0)))
    made = (used.tokens_out or 0) if known else int(limit(rule.get("max_tokens", 0), facts)) * count(facts)
    fresh = (taken - cached) * rates.get("in", Decimal(0)) + cached * rates.get("cached", rates.get("in", Decimal(0)))
    amount = (fresh + made * rates.get("out", Decimal(0))) / decimal(rule.get("per", 1_000_000))
    return _Line(f"{'' if known else 'At most '}{taken} + {made} tokens", amount, known)


_KINDS: dict[str, Callable[[Mapping[str, Any], Facts], _Line]] = {
    "fixed": _fixed,
    "free": _free,
    "reported": _reported,
    "per_token": _tokens,
    **dict.fromkeys(MEASURES, _counted),
}


# -- what it is multiplied by, and what comes on top -----------------------------------------------------------------
def _rate(rate: Any, facts: Facts) -> tuple[Decimal, bool]:
    if not isinstance(rate, Mapping):
        return decimal(rate), True
    found = rate["table"].get(key(facts.params.get(rate["by"])), rate.get("default"))
    if found is not None:
        return decimal(found), True
    return max(decimal(value) for value in rate["table"].values()), False


def _factors(rule: Mapping[str, Any], facts: Facts) -> Iterable[tuple[Decimal, str]]:
    for item in rule.get("factors", ()):
        value, name = _picked(item, facts, "factor")
        if value is not None and value != 1:
            yield value, item.get("label", name)


def _adds(rule: Mapping[str, Any], facts: Facts) -> Iterable[_Line]:
    for item in rule.get("adds", ()):
        value, name = _picked(item, facts, "amount")
        if value:
            yield _Line(item.get("label", name), up(value))


def _picked(item: Mapping[str, Any], facts: Facts, amount: str) -> tuple[Decimal | None, str]:
    """The row of a table that applies, with what it applies to."""
    if "input" in item:
        return (decimal(item[amount]) if item["input"] in facts.roles else None), item["input"].replace("_", " ")
    word, table = (facts.plan, item["plan"]) if "plan" in item else (key(facts.params.get(item["by"])), item["table"])
    return (decimal(table[word]) if word in table else None), word
