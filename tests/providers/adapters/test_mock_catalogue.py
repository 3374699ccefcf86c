"""The mock's catalogue and its code say the same."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from providers import pricing
from providers.adapters.mock import adapter as mock
from providers.adapters.mock import plan, words
from providers.adapters.mock.discovered import ROWS
from providers.catalogue import load
from providers.types import Accepted, Done, InputFile, Job

CATALOGUE = load(Path(mock.__file__).parent)
KEYS = {(item.model, item.operation) for item in CATALOGUE.capabilities}


def test_it_offers_the_models_everyone_relies_on():
    assert {model for model, _ in KEYS} == {
        *("image", "image-slow", "video", "video-slow", "video-lossy", "speech", "music", "sound"),
        *("script", "prompt", "transcribe", "mesh"),
    }


def test_four_seconds_of_video_cost_twenty_credits():
    quote = pricing.quote(CATALOGUE.capability("video", "text_to_video"), {"prompt": "x", "duration": 4})
    assert (str(quote.amount), quote.credit_type, quote.exact) == ("20.000000", "studio", True)
    assert [line.label for line in quote.lines] == ["4 s × 5"]
    assert {item.key: item.credits for item in CATALOGUE.credit_types} == {"studio": "1", "web": "1"}


@pytest.mark.parametrize("name", words.WORDS)
def test_every_magic_word_is_documented(name):
    assert f"[[{name}" in CATALOGUE.description


def test_every_documented_word_exists():
    assert set(re.findall(r"\[\[([a-z-]+)", CATALOGUE.description)) == set(words.WORDS)


@pytest.mark.parametrize("capability", CATALOGUE.capabilities, ids=lambda item: f"{item.model}-{item.operation}")
def test_immediate_models_answer_at_once_and_the_others_do_not(capability, tmp_path):
    of = _job(capability, tmp_path)
    answer = mock.Adapter(CATALOGUE).submit(of)
    assert isinstance(answer, Done if capability.traits["immediate"] else Accepted)
    if isinstance(answer, Done):
        assert [output.kind for output in answer.outputs] == list(capability.outputs) * of.params.get("count", 1)
        assert all(output.facts["mocked"] and output.mime and output.file.is_file() for output in answer.outputs)


@pytest.mark.parametrize("capability", CATALOGUE.capabilities, ids=lambda item: f"{item.model}-{item.operation}")
def test_the_measured_usage_costs_what_was_quoted(capability, tmp_path):
    of = _job(capability, tmp_path)
    quoted = pricing.quote(capability, of.params, inputs=of.inputs)
    actual = pricing.quote(capability, of.params, inputs=of.inputs, usage=plan.usage(plan.measured(of)))
    assert actual.amount == quoted.amount > 0


def _job(capability, scratch: Path) -> Job:
    roles = tuple(InputFile(role=item.role, kind=item.kinds[0], mime="", seconds=2.0) for item in capability.inputs)
    return Job(
        reference="r",
        operation=capability.operation,
        model=capability.model,
        params={"prompt": "a fox", "count": 2} if "count" in capability.schema["properties"] else {"prompt": "a fox"},
        inputs=roles,
        outputs=capability.outputs,
        scratch=scratch,
    )


@pytest.mark.parametrize(
    ("model", "seconds"), [("video", 3), ("video-lossy", 3), ("video-slow", 12), ("image-slow", 6)]
)
def test_expected_seconds_are_what_the_pace_takes(model, seconds):
    assert sum(plan.PACE[model]) == seconds
    assert {item.expected_seconds for item in CATALOGUE.capabilities if item.model == model} == {seconds}


def test_only_the_forgetful_model_cannot_find():
    assert {item.model for item in CATALOGUE.capabilities if not item.traits["find"]} == set(mock.LOST_FOR_GOOD)


def test_the_slow_models_bill_the_other_credit():
    bills = {item.model: item.price["credit"] for item in CATALOGUE.capabilities}
    assert {model for model, credit in bills.items() if credit == "web"} == {"image-slow", "video-slow"}


def test_discovered_rows_are_new_models():
    assert not {(row["model"], row["operation"]) for row in ROWS} & KEYS
    assert [Decimal(row["price"]["rate"]) for row in ROWS] == [2, 5]
