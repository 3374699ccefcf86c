"""Parameter schemas as form fields: known and unknown parameters are drawn by what their schema says."""

from __future__ import annotations

import pytest
from django.http import QueryDict

from accounts.errors import Refused
from generations import forms, schemas

WOBBLE = {"type": "string", "enum": ["soft", "hard"], "default": "soft", "x-when": {"aspect_ratio": "16:9"}}
SCHEMA = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "prompt": {"type": "string", "minLength": 1, "maxLength": 4000, "x-widget": "textarea"},
        "aspect_ratio": {"type": "string", "enum": ["16:9", "1:1"], "default": "1:1"},
        "duration": {"type": "integer", "minimum": 1, "maximum": 20, "default": 4},
        "count": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
        "seed": {"type": "integer", "minimum": 0, "x-group": "advanced"},
        "loop": {"type": "boolean", "default": False},
        "wobble": WOBBLE,
        "extra": {"type": "object"},
    },
}


def fields(values=None, errors=None, schema=SCHEMA):
    return {field.name: field for field in forms.fields_of(schema, values, errors)}


@pytest.mark.parametrize(
    ("name", "spec", "widget"),
    [
        ("aspect_ratio", {"enum": ["16:9", "9:16", "auto"]}, "aspect"),
        ("quality", {"enum": ["draft", "high"]}, "segments"),
        ("voice", {"enum": [f"voice number {n}" for n in range(12)]}, "select"),
        ("quality", {"enum": ["draft", "high"], "x-widget": "select"}, "select"),
        ("duration", {"type": "integer", "minimum": 1, "maximum": 20, "default": 4}, "range"),
        ("count", {"type": "integer", "minimum": 1, "maximum": 4, "default": 1}, "segments"),
        ("steps", {"type": "integer", "minimum": 1, "maximum": 50}, "number"),
        ("guidance", {"type": ["number", "null"]}, "number"),
        ("seed", {"type": "integer"}, "seed"),
        ("loop", {"type": "boolean"}, "switch"),
        ("negative_prompt", {"type": "string"}, "textarea"),
        ("style", {"type": "string", "maxLength": 40}, "text"),
        ("story", {"type": "string", "maxLength": 4000}, "textarea"),
        ("tags", {"type": "array", "items": {"type": "string"}}, "list"),
        ("parts", {"type": "array", "items": {"enum": ["a", "b"]}}, "checks"),
        ("odd", {"anyOf": [{"type": "null"}, {"type": "boolean"}]}, "switch"),
        ("camera", {"type": "object"}, "json"),
        ("mode", {"oneOf": [{"const": "a"}, {"const": "b"}]}, "segments"),
    ],
)
def test_the_schema_picks_the_widget(name, spec, widget):
    assert forms.widget_of(name, spec) == widget


def test_a_parameter_nobody_knew_of_appears_only_when_it_applies():
    assert fields()["wobble"].active is False
    assert fields({"aspect_ratio": "16:9"})["wobble"].active is True
    assert fields()["wobble"].when == '{"aspect_ratio": "16:9"}'
    assert [choice.value for choice in fields()["wobble"].choices] == ["soft", "hard"]


def test_values_carried_over_are_kept_where_they_fit():
    held = fields({"duration": 99, "aspect_ratio": "9:16", "count": 3, "loop": "yes", "wobble": "hard"})
    assert (held["duration"].value, held["aspect_ratio"].value, held["count"].value) == (20, "1:1", 3)
    assert (held["loop"].value, held["wobble"].value) == (False, "hard")


def test_the_prompt_stands_apart_and_the_advanced_is_folded():
    prompt, chips, more = forms.arrange(forms.fields_of(SCHEMA))
    assert prompt.name == "prompt"
    assert {field.name for field in chips} == {"aspect_ratio", "duration", "count", "loop", "wobble"}
    assert {group: [field.name for field in rows] for group, rows in more.items()} == {
        "advanced": ["seed"],
        "Other": ["extra"],
    }


def test_chips_say_what_they_hold():
    shown = {name: field.shown for name, field in fields().items()}
    assert (shown["duration"], shown["count"], shown["seed"], shown["aspect_ratio"]) == ("4 s", "×1", "random", "1:1")


def test_an_error_stands_at_its_field():
    assert fields(errors={"params.duration": ["At most 20."]})["duration"].errors == ["At most 20."]
    assert fields(errors={"params.duration": ["At most 20."]})["count"].errors == []


def test_a_plain_form_is_read_with_the_types_of_the_schema():
    posted = QueryDict('params.prompt=a kite&params.duration=6&params.seed=&params.loop.asked=1&params.extra={"a": 1}')
    assert forms.read(SCHEMA, posted, posted.getlist) == {
        "prompt": "a kite",
        "duration": 6,
        "loop": False,
        "extra": {"a": 1},
    }


def test_a_number_that_is_none_is_refused_by_name():
    with pytest.raises(Refused) as refused:
        forms.read(SCHEMA, QueryDict("params.duration=soon"))
    assert refused.value.fields == {"params.duration": ["Write a whole number."]}


def test_lists_are_read_from_lines_and_from_boxes():
    schema = {
        "properties": {
            "tags": {"type": "array", "items": {"type": "string"}},
            "parts": {"type": "array", "items": {"enum": [1, 2]}},
        }
    }
    posted = QueryDict(mutable=True)
    posted.setlist("params.parts", ["1", "2"])
    posted["params.tags"] = "red\n blue \n"
    assert forms.read(schema, posted, posted.getlist) == {"tags": ["red", "blue"], "parts": [1, 2]}


def test_little_frames_keep_their_aspect():
    x, y, wide, high = forms.frame_of("16:9")
    assert (round(wide / high, 1), x + wide / 2, y + high / 2) == (1.8, pytest.approx(18), pytest.approx(14))
    assert forms.frame_of("auto") is None
    assert forms.frame_of("0:9") is None


def test_every_condition_of_x_when_must_hold():
    assert schemas.applies({"a": [1, 2], "b": "x"}, {"a": 2, "b": "x"})
    assert not schemas.applies({"a": [1, 2], "b": "x"}, {"a": 2})
    assert schemas.applies(None, {})
