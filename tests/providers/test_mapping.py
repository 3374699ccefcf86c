from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from providers import catalogue
from providers.catalogue_types import Capability, InputRole
from providers.errors import ProviderError
from providers.mapping import check_inputs, fill_defaults, map_params, merge, validate
from providers.types import InputFile

WOBBLY = catalogue.load(Path(__file__).parent / "data" / "wobbly")
FILM, ANIMATE, _ = WOBBLY.capabilities
FRAME = InputFile(role="first_frame", kind="image", mime="image/png", bytes=10, url="https://me.example/a.png")


def capability(properties: dict[str, Any] | None = None, **rest: Any) -> Capability:
    schema = {"type": "object", "properties": {**(properties or {}), "extra": {"type": "object"}}}
    return Capability(model="m", operation="text_to_image", label="M", schema=schema, **rest)


def said(params: dict[str, Any], of: Capability = FILM) -> dict[str, str]:
    return {problem.field: problem.message for problem in validate(of.schema, params)}


def test_defaults_fill_what_was_left_out() -> None:
    filled = fill_defaults(FILM.schema, {"prompt": "x", "duration": None})
    assert filled == {
        "prompt": "x",
        "duration": 4,
        "aspect_ratio": "16:9",
        "sound": False,
        "wobble": "soft",
        "answer": "no",
    }


def test_a_parameter_whose_condition_is_not_met_is_dropped_and_so_are_its_dependants() -> None:
    assert "wobble" not in fill_defaults(FILM.schema, {"prompt": "x", "aspect_ratio": "1:1"})
    chain = {
        "properties": {
            "a": {"default": 1},
            "b": {"default": 1, "x-when": {"a": 2}},
            "c": {"default": 1, "x-when": {"b": 1}},
        }
    }
    assert fill_defaults(chain, {}) == {"a": 1}
    assert fill_defaults(chain, {"a": 2}) == {"a": 2, "b": 1, "c": 1}


def test_filling_twice_changes_nothing() -> None:
    once = fill_defaults(FILM.schema, {"prompt": "x", "wobble": "hard"})
    assert fill_defaults(FILM.schema, once) == once


@pytest.mark.parametrize(
    ("params", "field", "message"),
    [
        ({}, "prompt", "prompt is needed."),
        ({"prompt": None}, "prompt", "prompt is needed."),
        ({"prompt": ""}, "prompt", "prompt must not be empty."),
        ({"prompt": "x" * 41}, "prompt", "prompt must have at most 40 characters; it has 41."),
        ({"prompt": 3}, "prompt", "prompt must be text."),
        ({"prompt": "x", "duration": 11}, "duration", "duration must be at most 10."),
        ({"prompt": "x", "duration": 2.5}, "duration", "duration must be a whole number."),
        ({"prompt": "x", "duration": True}, "duration", "duration must be a whole number."),
        ({"prompt": "x", "sound": "yes"}, "sound", "sound must be true or false."),
        ({"prompt": "x", "wobble": "loud"}, "wobble", "wobble must be one of soft, hard."),
        ({"prompt": "x", "wobbel": "soft"}, "wobbel", "Unknown parameter wobbel; did you mean wobble?"),
        (
            {"prompt": "x", "zzz": 1},
            "zzz",
            "Unknown parameter zzz; what is not listed for this model goes into extra.",
        ),
        (
            {"prompt": "x", "aspect_ratio": "1:1", "wobble": "soft"},
            "wobble",
            "wobble only applies when aspect_ratio is 16:9; leave it out or change that.",
        ),
        ({"prompt": "x", "extra": []}, "extra", "extra must be an object."),
    ],
)
def test_what_does_not_fit_is_told_by_name_in_plain_words(params: dict[str, Any], field: str, message: str) -> None:
    assert said(params) == {field: message}


def test_what_fits_has_no_problems() -> None:
    assert said({"prompt": "x", "wobble": "hard", "seed": 3, "sound": True, "extra": {"a": 1}}) == {}
    assert said({"prompt": "x", "aspect_ratio": "1:1"}) == {}


def test_a_needed_parameter_is_not_needed_where_it_does_not_apply() -> None:
    schema = {
        "properties": {"a": {"type": "boolean"}, "b": {"type": "string", "x-when": {"a": True}}},
        "required": ["b"],
    }
    assert validate(schema, {}) == []
    assert [problem.field for problem in validate(schema, {"a": True})] == ["b"]


def test_a_dependant_is_refused_with_the_condition_that_failed() -> None:
    rules = {"a": {"default": 1}, "b": {"x-when": {"a": 2}}, "c": {"x-when": {"b": [1, 2]}}}
    problems = {item.field: item.message for item in validate({"properties": rules}, {"b": 1, "c": 1})}
    assert problems["b"] == "b only applies when a is 2; leave it out or change that."
    assert problems["c"] == "c only applies when b is 1 or 2; leave it out or change that."


def test_nested_values_are_named_by_their_path() -> None:
    made = capability({"tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2}})
    assert said({"tags": ["a", 1]}, made) == {"tags.1": "tags.1 must be text."}


def test_the_unheard_of_parameter_reaches_the_body() -> None:
    body = map_params(ANIMATE, {"prompt": "x", "wobble": "hard", "sound": True, "seed": 7}, [FRAME], "big/wobble-1")
    assert body == {
        "effects": [{"kind": "wobble", "wobble": 2}],
        "engine": "big/wobble-1",
        "seed": 7,
        "text": {"prompt": "x"},
        "length": "4",
        "ratio": "16:9",
        "audio": {"mode": "full"},
        "images": ["https://me.example/a.png"],
    }


def test_a_dropped_parameter_is_not_in_the_body() -> None:
    assert map_params(FILM, {"prompt": "x", "aspect_ratio": "1:1"}, [], "m")["effects"] == [{"kind": "wobble"}]


def test_extra_is_laid_over_everything_last() -> None:
    extra = {"text": {"style": "bold", "prompt": "y"}, "images": [1], "new": {"a": 1}}
    body = map_params(FILM, {"prompt": "x", "extra": extra}, [], "m")
    assert body["text"] == {"style": "bold", "prompt": "y"}
    assert (body["images"], body["new"]) == ([1], {"a": 1})
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}, "d": 4}) == {"a": {"b": 1, "c": 3}, "d": 4}


def test_digits_make_lists_in_order_without_gaps() -> None:
    made = capability({"b": {"x-maps-to": "l.3.x"}, "a": {"x-maps-to": "l.1.x"}, "c": {"x-maps-to": "l.3.y"}})
    assert map_params(made, {"a": 1, "b": {"0": "kept"}, "c": 3}, [], "m") == {
        "l": [{"x": 1}, {"x": {"0": "kept"}, "y": 3}]
    }


def test_a_role_of_many_becomes_a_list_and_of_one_a_value() -> None:
    many = InputRole(role="image", kinds=("image",), max=None, maps_to="images")
    one = InputRole(role="mask", kinds=("image",), maps_to={"path": "mask"})
    files = [
        InputFile(role=role, kind="image", mime="image/png", url=role + str(n))
        for n, role in enumerate(["image", "mask", "image"])
    ]
    made = capability(inputs=(many, one))
    assert map_params(made, {}, iter(files), "m") == {"images": ["image0", "image2"], "mask": "mask1"}
    assert map_params(made, {}, [], "m") == {}


def test_an_input_goes_by_its_remote_name_then_our_address_then_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"png")
    data = base64.b64encode(b"png").decode()
    facts = {"role": "image", "kind": "image", "mime": "image/png", "path": file}

    def sent(target: Any = "i", public: bool = False, **more: Any) -> Any:
        role = InputRole(role="image", kinds=("image",), maps_to=target)
        made = capability(inputs=(role,), traits={"public_inputs": public})
        return map_params(made, {}, [InputFile(**facts, **more)], "m")["i"]

    assert sent(url="https://u", remote="r-1") == "r-1"
    assert sent(url="https://u") == "https://u"
    assert sent() == f"data:image/png;base64,{data}"
    assert sent({"path": "i", "as": "base64"}, url="https://u") == data
    assert sent({"path": "i", "as": "data"}, url="https://u") == f"data:image/png;base64,{data}"
    with pytest.raises(ProviderError, match="APP_URL") as caught:
        sent(public=True)
    assert caught.value.code == "input_unusable"


def test_inputs_are_checked_by_role_number_medium_and_size() -> None:
    def told(*files: InputFile, of: Capability = ANIMATE) -> list[str]:
        return [problem.message for problem in check_inputs(of, files)]

    def frame(**words: Any) -> InputFile:
        return InputFile(**{"role": "first_frame", "kind": "image", "mime": "image/png", "bytes": 10, **words})

    assert told(frame()) == []
    assert told() == ["first_frame needs at least 1 file."]
    assert told(frame(), frame()) == ["first_frame takes at most 1 file; 2 were given."]
    assert told(frame(mime="image/gif")) == ["first_frame takes image/png, not image/gif."]
    assert told(frame(kind="video", mime="video/mp4")) == ["first_frame takes image/png, not video/mp4."]
    assert told(frame(bytes=1001)) == ["first_frame may have at most 1000 bytes; this file has 1001."]
    assert told(frame(), frame(role="mask")) == ["This model has no input called mask; it takes first_frame."]
    assert told(frame(), of=FILM) == ["This model has no input called first_frame; it takes none."]


@pytest.mark.parametrize(
    ("how", "value", "sent"),
    [
        ("string", 4, "4"),
        ("string", True, "true"),
        ("number", "8", 8),
        ("number", "2.5", 2.5),
        ("number", "auto", "auto"),
        ("list", "a", ["a"]),
    ],
)
def test_a_value_may_be_sent_in_another_shape(how: str, value: Any, sent: Any) -> None:
    made = capability({"v": {"x-maps-to": {"path": "v", "as": how}}})
    assert map_params(made, {"v": value}, [], "m") == {"v": sent}
