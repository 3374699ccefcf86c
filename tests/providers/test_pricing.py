from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import catalogue
from providers.catalogue_types import Capability
from providers.measures import MICRO, area
from providers.pricing import quote, typical
from providers.types import InputFile, Quote, Usage

FILM, ANIMATE, OLD = catalogue.load(Path(__file__).parent / "data" / "wobbly").capabilities
PROPERTIES: dict[str, Any] = {
    "prompt": {"type": "string"},
    "text": {"type": "string"},
    "duration": {"type": "integer", "maximum": 10},
    "count": {"type": "integer", "default": 1},
    "resolution": {"enum": ["720p", "1080p"], "default": "720p"},
    "aspect_ratio": {"type": "string"},
    "width": {"type": "integer"},
    "height": {"type": "integer"},
    "max_out": {"type": "integer", "maximum": 2000},
    "sound": {"type": "boolean"},
}


def priced(rule: dict[str, Any], params: dict[str, Any] | None = None, **rest: Any) -> Quote:
    made = Capability(
        model="m",
        operation="text_to_video",
        label="M",
        schema={"properties": PROPERTIES},
        price={"credit": "usd", **rule},
    )
    return quote(made, params or {}, **rest)


def lines(found: Quote) -> list[tuple[str, str]]:
    return [(line.label, str(line.amount)) for line in found.lines]


RULES: list[tuple[dict[str, Any], dict[str, Any], str, str, bool]] = [
    ({"kind": "fixed", "rate": "0.3"}, {}, "Per run", "0.300000", True),
    ({"kind": "free"}, {}, "Free", "0.000000", True),
    ({"kind": "per_second", "rate": "5"}, {"duration": 4}, "4 s × 5", "20.000000", True),
    ({"kind": "per_second", "rate": "5"}, {"duration": 4, "count": 2}, "2 × 4 s × 5", "40.000000", True),
    ({"kind": "per_second", "rate": "5"}, {}, "10 s × 5", "50.000000", False),
    ({"kind": "per_second", "rate": "5", "assume": "7"}, {}, "7 s × 5", "35.000000", False),
    ({"kind": "per_second", "rate": "1", "step": "5"}, {"duration": 6}, "10 s × 1", "10.000000", True),
    ({"kind": "per_minute", "rate": "3"}, {"duration": 20}, "20 s × 3 per minute", "1.000000", True),
    ({"kind": "per_image", "rate": "4"}, {"count": 2}, "2 images × 4", "8.000000", True),
    ({"kind": "per_image", "rate": "4"}, {}, "1 image × 4", "4.000000", True),
    ({"kind": "per_image", "rate": 0.1}, {"count": 3}, "3 images × 0.1", "0.300000", True),
    ({"kind": "per_megapixel", "rate": "1"}, {"width": 1000, "height": 2500}, "2.5 MP × 1", "2.500000", True),
    (
        {"kind": "per_megapixel", "rate": "1", "step": "1"},
        {"width": 1000, "height": 2500},
        "3 MP × 1",
        "3.000000",
        True,
    ),
    ({"kind": "per_megapixel", "rate": "1"}, {"resolution": "720p"}, "0.9216 MP × 1", "0.921600", True),
    (
        {"kind": "per_character", "rate": "10", "per": 1000},
        {"text": "abc"},
        "3 characters × 10 per 1000",
        "0.030000",
        True,
    ),
    (
        {"kind": "per_character", "rate": "1", "of": "prompt"},
        {"text": "abc", "prompt": "x"},
        "1 character × 1",
        "1.000000",
        True,
    ),
    (
        {"kind": "per_character", "rate": "1", "min": "9"},
        {"text": "abc"},
        "3 characters × 1, at least 9",
        "9.000000",
        True,
    ),
    (
        {"kind": "reported", "max": "0.5", "typical": "0.1"},
        {},
        "At most; the provider reports the price",
        "0.500000",
        False,
    ),
    (
        {"kind": "per_token", "rate": {"in": "2", "out": "10"}, "max_tokens": "max_out"},
        {"prompt": "é!", "max_out": 1000},
        "At most 7 + 1000 tokens",
        "0.010014",
        False,
    ),
    (
        {"kind": "per_token", "rate": {"out": "1"}, "max_tokens": "max_out", "per": 1000},
        {},
        "At most 4 + 2000 tokens",
        "2.000000",
        False,
    ),
    (
        {"kind": "per_second", "rate": {"by": "resolution", "table": {"720p": "1", "1080p": "2"}}},
        {"duration": 3, "resolution": "1080p"},
        "3 s × 2",
        "6.000000",
        True,
    ),
    (
        {"kind": "per_second", "rate": {"by": "sound", "table": {"true": "2"}, "default": "1"}},
        {"duration": 3, "sound": False},
        "3 s × 1",
        "3.000000",
        True,
    ),
    (
        {"kind": "fixed", "rate": {"by": "sound", "table": {"true": "2", "false": "1"}}},
        {},
        "Per run",
        "2.000000",
        False,
    ),
    ({"kind": "fixed", "rate": "1", "label": "Render"}, {}, "Render: Per run", "1.000000", True),
]


@pytest.mark.parametrize(("rule", "params", "label", "amount", "exact"), RULES)
def test_each_kind_of_rule_has_its_line(rule: Any, params: Any, label: str, amount: str, exact: bool) -> None:
    found = priced(rule, params)
    assert lines(found) == [(label, amount)]
    assert (str(found.amount), found.exact, found.credit_type) == (amount, exact, "usd")


def test_factors_multiply_and_say_why() -> None:
    factors = [
        {"by": "resolution", "table": {"1080p": "2"}},
        {"input": "first_frame", "factor": "1.5"},
        {"plan": {"pro": "0.8"}, "label": "Pro"},
    ]
    rule = {"kind": "per_second", "rate": "5", "factors": factors}
    assert lines(priced(rule, {"duration": 2})) == [("2 s × 5", "10.000000")]
    full = priced(rule, {"duration": 2, "resolution": "1080p"}, inputs=["first_frame"], plan="pro")
    assert lines(full) == [("2 s × 5 × 2 (1080p) × 1.5 (first frame) × 0.8 (Pro)", "24.000000")]


def test_adds_are_lines_of_their_own() -> None:
    adds = [{"by": "resolution", "table": {"1080p": "2.5"}, "label": "Sharper"}, {"input": "mask", "amount": "1"}]
    rule = {"kind": "fixed", "rate": "1", "adds": adds}
    found = priced(rule, {"resolution": "1080p"}, inputs=["mask"])
    assert lines(found) == [("Per run", "1.000000"), ("Sharper", "2.500000"), ("mask", "1.000000")]
    assert found.amount == Decimal("4.5")


def test_several_rules_are_summed() -> None:
    found = priced({"lines": [{"kind": "fixed", "rate": "1"}, {"kind": "reported", "max": "2"}]})
    assert (found.amount, found.exact, len(found.lines)) == (Decimal(3), False, 2)


def test_only_line_totals_are_rounded_and_up() -> None:
    assert priced({"kind": "per_minute", "rate": "1"}, {"duration": 1}).amount == Decimal("0.016667")
    assert priced({"kind": "per_minute", "rate": "0.000001"}, {"duration": 1}).amount == Decimal("0.000001")
    assert priced({"kind": "per_second", "rate": "0.0000001"}, {"duration": 10}).amount == Decimal("0.000001")


def test_the_length_of_a_file_counts_where_no_duration_is_asked() -> None:
    clips = [InputFile(role="video", kind="video", mime="video/mp4", seconds=seconds) for seconds in (2.5, 3.5)]
    assert lines(priced({"kind": "per_second", "rate": "1"}, inputs=clips)) == [("6 s × 1", "6.000000")]
    unknown = [*clips, InputFile(role="video", kind="video", mime="video/mp4")]
    assert lines(priced({"kind": "per_second", "rate": "1", "assume": "60"}, inputs=unknown)) == [
        ("60 s × 1", "60.000000")
    ]


@pytest.mark.parametrize(
    ("rule", "usage", "amount"),
    [
        ({"kind": "per_second", "rate": "5"}, Usage(seconds=Decimal("3.2")), "16.000000"),
        ({"kind": "per_image", "rate": "4"}, Usage(count=3), "12.000000"),
        ({"kind": "per_image", "rate": "4"}, Usage(count=0), "0.000000"),
        ({"kind": "per_megapixel", "rate": "1"}, Usage(megapixels=Decimal("2.25")), "2.250000"),
        ({"kind": "per_character", "rate": "1"}, Usage(characters=12), "12.000000"),
        ({"kind": "per_second", "rate": "5"}, Usage(cost=Decimal("0.1234567")), "0.123457"),
        ({"kind": "reported", "max": "0.5"}, Usage(cost=Decimal("0.2")), "0.200000"),
        ({"kind": "per_second", "rate": "5"}, Usage(charged=False, cost=Decimal(9)), "0.000000"),
    ],
)
def test_with_usage_the_price_is_the_actual_one(rule: Any, usage: Usage, amount: str) -> None:
    found = priced(rule, {"duration": 10, "text": "abc"}, usage=usage)
    assert (str(found.amount), found.exact) == (amount, True)


def test_tokens_used_are_priced_with_the_cached_ones_apart() -> None:
    rule = {"kind": "per_token", "rate": {"in": "2", "out": "10", "cached": "1"}, "max_tokens": 9}
    found = priced(rule, usage=Usage(tokens_in=1000, tokens_cached=400, tokens_out=100))
    assert (found.amount, found.exact) == (Decimal("0.002600"), True)
    plain = {**rule, "rate": {"in": "2", "out": "10"}}
    assert priced(plain, usage=Usage(tokens_in=1000, tokens_cached=400)).amount == Decimal("0.002000")


def test_usage_that_says_nothing_leaves_the_quote() -> None:
    rule = {"kind": "per_second", "rate": "5"}
    assert priced(rule, {"duration": 4}, usage=Usage()) == priced(rule, {"duration": 4})


def test_usage_may_be_billed_in_another_credit_type() -> None:
    assert priced({"kind": "free"}, usage=Usage(cost=Decimal(1), credit_type="gold")).credit_type == "gold"


def test_the_unheard_of_parameter_has_its_price() -> None:
    params = {"prompt": "x", "wobble": "hard"}
    assert lines(quote(FILM, params)) == [("4 s × 0.05", "0.200000"), ("Wobble hard", "2.500000")]
    assert quote(ANIMATE, params, inputs=["first_frame"]).amount == Decimal("2.8")
    assert lines(quote(FILM, {"prompt": "x"})) == [("4 s × 0.05", "0.200000")]


def test_a_parameter_that_does_not_apply_costs_nothing() -> None:
    assert quote(FILM, {"prompt": "x", "aspect_ratio": "1:1", "wobble": "hard"}).amount == Decimal("0.2")


def test_a_list_shows_what_a_run_usually_costs() -> None:
    assert (typical(OLD).amount, quote(OLD, {}).amount) == (Decimal("0.12"), Decimal("0.5"))
    assert typical(FILM).amount == Decimal("0.2")


@pytest.mark.parametrize(
    ("params", "pixels"),
    [
        ({"width": 10, "height": 20}, 200),
        ({"resolution": "1024x1536"}, 1024 * 1536),
        ({"resolution": "720p"}, 720 * 1280),
        ({"resolution": "720p", "aspect_ratio": "9:16"}, 720 * 1280),
        ({"resolution": "1080p", "aspect_ratio": "1:1"}, 1080 * 1080),
        ({"resolution": "2K"}, 2048 * 2048),
        ({"resolution": "720p", "aspect_ratio": "auto"}, 720 * 1280),
        ({"resolution": "720p", "aspect_ratio": "0:0"}, None),
        ({"resolution": "huge"}, None),
        ({}, None),
    ],
)
def test_area_from_every_way_to_say_a_size(params: dict[str, Any], pixels: int | None) -> None:
    assert area(params) == pixels


amounts = st.decimals(min_value=0, max_value=10_000, places=6, allow_nan=False).map(str)
tables = st.dictionaries(st.sampled_from(["720p", "1080p"]), amounts, min_size=1)
rates = st.one_of(amounts, st.fixed_dictionaries({"by": st.just("resolution"), "table": tables}))
factors = st.one_of(
    st.fixed_dictionaries({"by": st.just("resolution"), "table": tables}),
    st.fixed_dictionaries({"input": st.just("mask"), "factor": amounts}),
    st.fixed_dictionaries({"plan": st.dictionaries(st.just("pro"), amounts)}),
)
adds = st.fixed_dictionaries({"by": st.just("resolution"), "table": tables})
counted = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["fixed", "per_second", "per_minute", "per_image", "per_megapixel", "per_character"]),
        "rate": rates,
    },
    optional={
        "factors": st.lists(factors, max_size=2),
        "adds": st.lists(adds, max_size=2),
        "min": amounts,
        "step": amounts,
        "per": st.sampled_from([1, 7, 1000]),
        "assume": amounts,
    },
)
tokens = st.fixed_dictionaries(
    {
        "kind": st.just("per_token"),
        "rate": st.fixed_dictionaries({"in": amounts}, optional={"out": amounts, "cached": amounts}),
        "max_tokens": st.one_of(st.just("max_out"), st.integers(0, 10**6)),
    }
)
reported = st.fixed_dictionaries({"kind": st.just("reported"), "max": amounts})
rules = st.one_of(counted, tokens, reported, st.just({"kind": "free"}))
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text("0123456789aek.:x-", max_size=8),
    st.sampled_from(["9:16", "720p", "8"]),
)
params = st.dictionaries(st.sampled_from(sorted(PROPERTIES)), anything)
measured = st.decimals(min_value=0, max_value=10**6, places=3, allow_nan=False)
usages = st.none() | st.builds(
    Usage,
    seconds=st.none() | measured,
    count=st.none() | st.integers(0, 100),
    megapixels=st.none() | measured,
    characters=st.none() | st.integers(0, 10**6),
    tokens_in=st.none() | st.integers(0, 10**7),
    tokens_out=st.none() | st.integers(0, 10**7),
    tokens_cached=st.none() | st.integers(0, 10**7),
    cost=st.none() | measured,
)


@given(st.lists(rules, min_size=1, max_size=3), params, st.booleans(), st.sampled_from(["", "pro"]), usages)
def test_no_price_is_negative_and_lines_sum_to_the_amount(
    given_rules: list[dict[str, Any]], asked: dict[str, Any], masked: bool, plan: str, usage: Usage | None
) -> None:
    found = priced({"lines": given_rules}, asked, inputs=["mask"] if masked else [], plan=plan, usage=usage)
    assert found.amount >= 0
    assert all(line.amount >= 0 and line.amount == line.amount.quantize(MICRO) for line in found.lines)
    assert found.amount == sum(line.amount for line in found.lines)


@given(st.integers(1, 10_000), st.integers(1, 9_999))
def test_a_line_is_rounded_up_by_less_than_a_millionth(seconds: int, rate: int) -> None:
    found = priced({"kind": "per_minute", "rate": str(rate)}, usage=Usage(seconds=Decimal(seconds)))
    over = found.amount * 60 - seconds * rate
    assert 0 <= over < MICRO * 60
