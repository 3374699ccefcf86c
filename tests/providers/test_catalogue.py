from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from providers import catalogue
from providers.catalogue_types import TRAITS, Capability
from providers.errors import CODES, CatalogueError
from providers.operations import OPERATIONS
from providers.types import KINDS, STATES, VERDICTS

WOBBLY = Path(__file__).parent / "data" / "wobbly"
SCHEMA = json.loads(catalogue.SCHEMA.read_text())


def broken(tmp_path: Path, change: Any) -> list[str]:
    """The problems of the sample after `change` was made to its data."""
    data = json.loads(json.dumps(data_of(WOBBLY)))
    change(data)
    folder = tmp_path / "wobbly"
    folder.mkdir(exist_ok=True)
    (folder / "catalogue.yaml").write_text(json.dumps(data, indent=1))
    with pytest.raises(CatalogueError) as caught:
        catalogue.load(folder)
    return str(caught.value).splitlines()


def data_of(folder: Path) -> Any:
    from providers.source import Source

    return Source(folder / "catalogue.yaml").data


def written(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "acme"
    folder.mkdir(exist_ok=True)
    (folder / "catalogue.yaml").write_text(text)
    return folder


def test_the_schema_is_valid_and_knows_our_words() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    errors = SCHEMA["properties"]["errors"]["items"]["properties"]["to"]["enum"]
    assert set(errors) == set(CODES)
    assert set(SCHEMA["properties"]["statuses"]["additionalProperties"]["enum"]) == set(STATES)
    assert set(SCHEMA["$defs"]["traits"]["properties"]) == set(TRAITS)
    assert set(SCHEMA["$defs"]["endpoint"]["properties"]["verdict"]["enum"]) == set(VERDICTS)
    assert set(SCHEMA["$defs"]["outputs"]["properties"]["kind"]["enum"]) == set(KINDS)


def test_only_json_values_are_not_text() -> None:
    params = catalogue.load(WOBBLY).capabilities[0].schema["properties"]
    assert params["aspect_ratio"]["enum"] == ["16:9", "1:1"]
    assert params["answer"]["enum"] == ["yes", "no", "on"]
    assert params["sound"]["default"] is False
    assert catalogue.load(WOBBLY).capabilities[2].lifecycle["retires_on"] == "2027-01-31"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1.5e3", -1500.0),
        ("null", None),
        ("true", True),
        *((text, text) for text in ("0x1f", "010", "1_000", "~", "yes", "2026-11-21", "1:30", ".5", "<<", "True")),
    ],
)
def test_scalars_read_as_json_or_text(tmp_path: Path, text: str, value: Any) -> None:
    assert data_of(written(tmp_path, f"slug: {text}\n")) == {"slug": value}


def test_the_sample_is_read_whole() -> None:
    made = catalogue.load(WOBBLY)
    film, animate, old = made.capabilities
    assert (made.slug, made.domains, made.credentials[0].env) == ("wobbly", ("wobbly.example",), ("WOBBLY_API_KEY",))
    assert (made.credentials[0].label, made.credit_types[1].credits) == ("Api key", "1")
    assert made.polling == {"first": 4, "steps": [2, 3, 5], "ceiling": 15, "deadline": 900}
    assert made.errors[0].row() == {"code": "nsfw", "to": "content_rejected"}
    assert [item.operation for item in made.capabilities] == ["text_to_video", "image_to_video", "wobble_video"]
    assert (film.timeout, old.timeout) == (120, 30)
    assert (film.traits["find"], old.traits["find"], old.traits["cancel"]) == (False, True, True)
    assert old.price["credit"] == "usd"
    assert old.label == "old"
    assert old.inputs[0].role == "video"
    assert film.schema["additionalProperties"] is False
    assert film.schema["properties"]["extra"]["type"] == "object"
    assert film.schema["properties"]["seed"]["title"] == "Seed"
    assert film.schema["required"] == ["prompt"]
    assert animate.position == 1


def test_each_of_several_operations_keeps_its_own_roles() -> None:
    film, animate, _ = catalogue.load(WOBBLY).capabilities
    assert film.inputs == ()
    assert [(item.role, item.min, item.max_bytes) for item in animate.inputs] == [("first_frame", 1, 1000)]


def test_a_capability_survives_its_row() -> None:
    for made in catalogue.load(WOBBLY).capabilities:
        row = json.loads(json.dumps(made.to_dict()))
        assert Capability.from_dict(row).to_dict() == made.to_dict()
        assert Capability.from_dict({**row, "unheard": 1}).inputs == made.inputs


def test_the_provider_row_is_json() -> None:
    row = catalogue.load(WOBBLY).to_dict()
    assert json.loads(json.dumps(row)) == row
    assert "capabilities" not in row


CHANGES: list[tuple[str, Any, str]] = [
    ("slug", lambda d: d.update(slug="other"), "other is not the folder's name. Write wobbly"),
    ("name", lambda d: d.pop("name"), "lacks name. Add it"),
    ("colour", lambda d: d.update(colour=1), "is not a word of the catalogue. Known: slug, name"),
    ("domain", lambda d: d.update(domain=[]), "is not a word of the catalogue. Write domains"),
    ("kind", lambda d: d.update(kind="cloud"), '"cloud" must be one of remote, local, builtin'),
    ("statuses.done", lambda d: d["statuses"].update(done="finished"), '"finished" must be one of queued, running'),
    ("errors.0.to", lambda d: d["errors"][0].update(to="nope"), '"nope" must be one of invalid_input'),
    ("errors.0.pattern", lambda d: d["errors"][0].update(pattern="("), "is no regular expression"),
    ("credentials.0.env", lambda d: d["credentials"][0].update(env=["wobbly-key"]), "wobbly-key is no variable name"),
    ("credentials.1.name", lambda d: d["credentials"].append({"name": "api_key"}), "api_key is declared twice"),
    ("credit_types.2.key", lambda d: d["credit_types"].append({"key": "usd"}), "usd is declared twice"),
    ("capabilities.2", lambda d: d["capabilities"].append(d["capabilities"][1]), "old wobble_video stands here twice"),
    ("capabilities.1", lambda d: d["capabilities"][1].update(operation="juggle"), "juggle is no operation"),
    ("capabilities.0.use", lambda d: d["capabilities"][0]["use"].append("ghost"), "ghost is not under parameters"),
    ("capabilities.0.required", lambda d: d["capabilities"][0]["required"].append("ghost"), "ghost is no parameter"),
    ("http.endpoints.poll", lambda d: d["http"]["endpoints"]["poll"].update(path="/{job}"), "{job} is unknown here"),
    ("http.endpoints.poll.state", lambda d: d.pop("statuses"), "needs a statuses table"),
]


@pytest.mark.parametrize(("path", "change", "says"), CHANGES, ids=[row[0] for row in CHANGES])
def test_a_wrong_catalogue_is_told_where_and_what_to_do(tmp_path: Path, path: str, change: Any, says: str) -> None:
    problems = broken(tmp_path, change)
    assert any(f": {path}: " in line or (path == "name" and ": file: " in line) for line in problems), problems
    assert any(says in line for line in problems), problems


def parameter(name: str, **words: Any) -> Any:
    def change(data: dict[str, Any]) -> None:
        own = data["capabilities"][0]["parameters"]
        own[name] = {**own.get(name, {}), **words}

    return change


def price(**words: Any) -> Any:
    return lambda data: data["capabilities"][0]["price"].update(words)


def replaced(**words: Any) -> Any:
    return lambda data: data["capabilities"][0].update(price=words)


IN_CAPABILITY: list[tuple[Any, str]] = [
    (parameter("wobble", default="loud"), "the default must be one of soft, hard"),
    (parameter("wobble", type="strnig"), "has none of the permitted shapes"),
    (parameter("wobble", **{"x-when": {"ratio": "1:1"}}), "ratio is no parameter"),
    (parameter("wobble", **{"x-when": {"aspect_ratio": "2:1"}}), "aspect_ratio is never 2:1. Allowed: 16:9, 1:1"),
    (parameter("wobble", **{"x-maps": "a"}), "Write x-maps-to"),
    (parameter("Wobble2", type="string"), "is not a name"),
    (parameter("answer", **{"x-maps-to": "ratio"}), "answer and aspect_ratio both go to ratio"),
    (parameter("answer", **{"x-maps-to": "text"}), "answer and prompt both go to text.prompt"),
    (parameter("answer", **{"x-maps-to": "images.0"}), "first_frame and answer both go to images.0"),
    (parameter("answer", **{"x-maps-to": "effects.0.kind"}), "answer and effects.0.kind both go to effects.0.kind"),
    (price(credit="euro"), "euro is no credit type. Declared: usd, gold"),
    (price(rate={"by": "speed", "table": {"a": "1"}}), "speed is no parameter"),
    (price(rate={"by": "wobble", "table": {"soft": "1"}}), "has no price for hard. Add rows or a default"),
    (price(rate={"by": "wobble", "table": {"soft": "1", "hard": "2", "odd": "1"}}), "wobble is never odd"),
    (price(rate={"in": "1"}), "has the wrong shape for its kind"),
    (price(rate="-1"), "has none of the permitted shapes"),
    (price(factors=[{"input": "mask", "factor": "2"}]), "mask is no input role. Roles: first_frame"),
    (price(kind="per_hour"), '"per_hour" must be one of fixed'),
    (replaced(kind="fixed"), "fixed lacks rate"),
    (replaced(kind="reported"), "reported lacks max"),
    (replaced(kind="per_megapixel", rate="1"), "per_megapixel has nothing to measure"),
    (replaced(kind="per_token", rate={"in": "1", "out": "2"}), "per_token lacks max_tokens"),
    (replaced(kind="per_character", of="lyrics", rate="1"), "lyrics is no parameter"),
    (lambda d: d["capabilities"][1]["lifecycle"].update(replaced_by="ghost"), "ghost is no model here"),
    (lambda d: d["capabilities"][0]["parameters"]["duration"].pop("default"), ""),
]


@pytest.mark.parametrize(("change", "says"), IN_CAPABILITY[:-1], ids=[row[1][:40] for row in IN_CAPABILITY[:-1]])
def test_a_wrong_capability_is_told(tmp_path: Path, change: Any, says: str) -> None:
    problems = broken(tmp_path, change)
    assert any(says in line for line in problems), problems


def test_a_duration_without_bound_has_no_price(tmp_path: Path) -> None:
    def unbounded(data: dict[str, Any]) -> None:
        data["capabilities"][0]["parameters"]["duration"] = {"type": "integer"}

    assert any("duration may be left out" in line for line in broken(tmp_path, unbounded))


def test_an_endpoint_of_one_capability_needs_a_path_from_somewhere(tmp_path: Path) -> None:
    def pathless(data: dict[str, Any]) -> None:
        data["capabilities"][1]["http"]["endpoints"] = {"result": {"state": "status"}, "poll": {"timeout": 9}}

    problems = broken(tmp_path, pathless)
    assert [line.split(": ")[1] for line in problems] == ["capabilities.1.http.endpoints.result"]


def test_parameters_that_exclude_each_other_may_share_a_path(tmp_path: Path) -> None:
    data = data_of(WOBBLY)
    own = data["capabilities"][0]["parameters"]
    own["calm"] = {"type": "integer", "x-when": {"aspect_ratio": ["1:1"]}, "x-maps-to": "effects.0.wobble"}
    folder = tmp_path / "wobbly"
    folder.mkdir()
    (folder / "catalogue.yaml").write_text(json.dumps(data))
    assert "calm" in catalogue.load(folder).capabilities[0].schema["properties"]


def test_all_problems_come_together_each_with_file_line_and_remedy(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        "slug: acme\nname: Acme\nkind: remote\ncolour: red\ncapabilities:\n  - model: a\n    operation: juggle\n"
        "    price: {kind: fixed, rate: '1'}\n  - model: b\n    operation: text_to_image\n    price: {kind: fixd}\n",
    )
    with pytest.raises(CatalogueError) as caught:
        catalogue.load(folder)
    file = folder / "catalogue.yaml"
    assert str(caught.value).splitlines() == [
        f"{file}:4: colour: is not a word of the catalogue. Known: {', '.join(SCHEMA['properties'])}.",
        f"{file}:6: capabilities.0: juggle is no operation. Take a standard one or declare it under `operations`.",
        f"{file}:8: capabilities.0.price.credit: nothing is no credit type. Add `credit_types`.",
        f'{file}:11: capabilities.1.price.kind: "fixd" must be one of fixed, per_second, per_minute, per_image, '
        "per_megapixel, per_character, per_token, reported, free. See `kind` in catalogue.schema.json.",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("slug: acme\nslug: again\n", ":2: slug: stands here twice"),
        ("slug: [\n", "is not YAML"),
        ("slug: &a [*a]\n", "nested too deeply"),
        ("- a\n", "must be an object"),
        ("", "lacks slug"),
        ("slug: !!python/object:os.system x\n", "is not YAML"),
        ("? [a]\n: b\n", "a key must be text"),
    ],
)
def test_what_is_no_catalogue_is_refused_by_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(CatalogueError, match=r"catalogue\.yaml:\d+: ") as caught:
        catalogue.load(written(tmp_path, text))
    assert says in str(caught.value)


def test_a_missing_file_is_a_catalogue_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot be read"):
        catalogue.load(tmp_path)


def test_discovered_rows_are_checked_and_built_like_written_ones() -> None:
    made = catalogue.load(WOBBLY)
    row = {"model": "new", "operation": "wobble_video", "price": {"kind": "fixed", "rate": "1"}}
    (found,) = catalogue.discovered(made, [row])
    assert (found.price["credit"], found.polling["first"], found.inputs[0].role) == ("usd", 4, "video")
    with pytest.raises(CatalogueError, match=r"wobbly \(discovered\).*juggle is no operation"):
        catalogue.discovered(made, [{**row, "operation": "juggle"}])
    assert catalogue.discovered(made, []) == ()


def test_operations_are_complete() -> None:
    assert {"text_to_image", "image_to_video", "speech_to_text", "concat_video", "transcode"} <= OPERATIONS.keys()
    for name, operation in OPERATIONS.items():
        assert operation.name == name
        assert operation.kind in KINDS
        assert operation.outputs
        assert set(operation.outputs) <= set(KINDS)
        assert all(set(role.kinds) <= set(KINDS) for role in operation.inputs)
