"""Every adapter found proves its catalogue: cases come from its own fixtures folder, no list is kept here."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from providers import conformance
from providers.errors import ProviderError
from providers.playing import Case, normal, play
from providers.registry import OURS, Entry, Registry
from providers.scaffold import write
from providers.types import Done, Output, Status, Usage

DATA = Path(__file__).parent / "data"
REGISTRY = Registry().load(OURS, [DATA])
ENTRIES = list(REGISTRY)
CASES = [(entry, case) for entry in ENTRIES for case in conformance.cases(entry)]


@pytest.mark.parametrize(("entry", "case"), CASES, ids=[f"{entry.slug}-{case}" for entry, case in CASES])
def test_an_adapter_does_what_was_recorded(entry: Entry, case: Case) -> None:
    conformance.run_case(entry, case)


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.slug for entry in ENTRIES])
def test_an_adapter_proves_every_case_its_traits_ask_for(entry: Entry) -> None:
    assert conformance.missing(entry) == ()


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.slug for entry in ENTRIES])
def test_an_adapter_passes_the_checklist(entry: Entry) -> None:
    lines = conformance.checklist(entry)
    assert len(lines) == 9
    assert [(line, remedy) for line, ok, remedy in lines if not ok] == []


def test_nothing_found_is_broken() -> None:
    assert [entry.error for entry in REGISTRY.broken()] == []


# -- the kit itself ------------------------------------------------------------------------------------------------------
@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    write("acme", tmp_path)
    return loaded(tmp_path)


def loaded(folder: Path) -> Entry:
    entry = Registry().load(folder, entry_points=False).get("acme")
    assert entry
    return entry


def changed(entry: Entry, name: str, **words: Any) -> Case:
    case = next(case for case in conformance.cases(entry) if case.name == name)
    return replace(case, data={**case.data, **words})


def edited(entry: Entry, old: str, new: str) -> Entry:
    assert entry.folder
    path = entry.folder / "catalogue.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return loaded(entry.folder.parent)


@pytest.mark.parametrize("code", [False, True])
def test_a_new_folder_conforms_as_it_is(tmp_path: Path, code: bool) -> None:
    folder = write("acme", tmp_path, name="Acme Films", code=code)
    entry = loaded(tmp_path)
    assert entry.catalogue
    assert entry.catalogue.name == "Acme Films"
    assert (folder / "adapter.py").exists() is code
    assert {case.name for case in conformance.cases(entry)} == set(conformance.required(entry))
    assert [conformance.trial(entry, case) for case in conformance.cases(entry)] == [""] * 9
    assert all(ok for _, ok, _ in conformance.checklist(entry))


@pytest.mark.parametrize("slug", ["Acme", "a b", "1a", "", "../x", "a-b"])
def test_a_slug_that_is_no_name_is_refused(tmp_path: Path, slug: str) -> None:
    with pytest.raises(ValueError, match="cannot name a provider"):
        write(slug, tmp_path)


def test_a_folder_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    write("acme", tmp_path)
    with pytest.raises(FileExistsError):
        write("acme", tmp_path)


def test_required_cases_follow_from_the_traits(entry: Entry) -> None:
    assert conformance.required(entry) == (*conformance.FOLLOWED, *conformance.REFUSALS)
    text = "    expected_seconds: 60\n"
    immediate = edited(entry, text, text + "    traits: {immediate: true, cancel: true, find: true}\n")
    assert conformance.required(immediate) == ("succeeded", *conformance.REFUSALS, "cancel", "find")
    free = edited(immediate, 'price: {kind: per_second, rate: "0.05"}', "price: {kind: free}")
    assert "out_of_credits" not in conformance.required(free)
    keyless = edited(free, "label: API key,", "label: API key, required: false,")
    assert "unauthorized" not in conformance.required(keyless)
    builtin = edited(keyless, "kind: remote", "kind: builtin")
    assert conformance.required(builtin) == ()


def test_a_missing_case_is_named_and_fails_the_checklist(entry: Entry) -> None:
    assert entry.folder
    (entry.folder / "fixtures" / "rate_limited.json").unlink()
    assert conformance.missing(entry) == ("rate_limited",)
    failed = [(line, remedy) for line, ok, remedy in conformance.checklist(entry) if not ok]
    assert failed == [("Tells refusals apart in our codes", "Record fixtures/rate_limited.json.")]


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("submit", {"expect": {"type": "Accepted", "remote_id": "other"}}, "but the fixture says"),
    ("submit", {"raises": {"code": "busy"}, "expect": None}, "it returned"),
    ("submit", {"exchanges": []}, "was not recorded"),
    ("running", {"case": "succeeded"}, "succeeded means succeeded or Done"),
    ("unauthorized", {"case": "refused"}, "refused means"),
    ("unauthorized", {"raises": {"code": "auth_failed", "http_status": 401}}, "but the fixture says"),
    ("rate_limited", {"raises": {"code": "rate_limited", "retry_after": 8.0}}, "but the fixture says"),
    ("submit", {"job": {"model": "nope", "operation": "text_to_video"}}, "is not in the catalogue"),
    (
        "submit",
        {"job": {"model": "video-1", "operation": "text_to_video", "params": {"promt": "x"}}},
        "did you mean prompt",
    ),
]


@pytest.mark.parametrize(("name", "words", "says"), FAULTS, ids=[f"{name}-{says[:20]}" for name, _, says in FAULTS])
def test_a_case_that_proves_nothing_fails(entry: Entry, name: str, words: dict[str, Any], says: str) -> None:
    case = changed(entry, name, **words)
    if "raises" in words and words.get("expect", 1) is None:
        case = replace(case, data={key: value for key, value in case.data.items() if key != "expect"})
    assert says in conformance.trial(entry, case)


def test_an_exchange_nobody_asked_for_fails(entry: Entry) -> None:
    case = next(case for case in conformance.cases(entry) if case.name == "submit")
    twice = replace(case, data={**case.data, "exchanges": [*case.data["exchanges"], *case.data["exchanges"]]})
    assert "Recorded but never asked for: POST /v1/jobs" in conformance.trial(entry, twice)


def test_one_exchange_is_enough_where_the_engine_would_ask_again(entry: Entry) -> None:
    case = changed(entry, "running", case="rate_limited")
    reply = {"status": 429, "headers": {"retry-after": "1"}, "json": {}}
    ends = {"raises": {"code": "rate_limited", "retry_after": 1.0}}
    data = {**case.data, "exchanges": [{**case.data["exchanges"][0], "reply": reply}], **ends}
    case = replace(case, data={name: value for name, value in data.items() if name != "expect"})
    assert conformance.trial(entry, case) == ""


def test_a_body_that_differs_fails(entry: Entry) -> None:
    priced = edited(entry, "x-maps-to: seconds", "x-maps-to: length")
    case = next(case for case in conformance.cases(priced) if case.name == "submit")
    assert '"length": 4' in conformance.trial(priced, case)


def test_a_credential_in_a_result_fails(entry: Entry) -> None:
    leaky = {"id": "conformance-api_key-value", "status": "queued"}
    case = changed(entry, "submit")
    exchange = {"request": case.data["exchanges"][0]["request"], "reply": {"status": 200, "json": leaky}}
    case = replace(
        case, data={**case.data, "exchanges": [exchange], "expect": {"type": "Accepted", "remote_id": leaky["id"]}}
    )
    assert "the credential api_key shows" in conformance.trial(entry, case)


def test_a_fixture_without_verb_or_end_is_refused(entry: Entry) -> None:
    assert entry.folder
    (entry.folder / "fixtures" / "odd.json").write_text(json.dumps({"case": "odd"}))
    with pytest.raises(AssertionError, match="lacks verb, expect"):
        conformance.cases(entry)
    (entry.folder / "fixtures" / "odd.json").write_text(json.dumps({"case": "odd", "verb": "juggle", "expect": {}}))
    with pytest.raises(AssertionError, match="juggle is no verb"):
        conformance.cases(entry)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("domains: [acme.example]", "domains: []", "Names the domains its pages live on"),
        ("enabled: true", "enabled: false", "Appears in the list of providers"),
        ("error: failed, ", "", "Translates its status words"),
        ("expected_seconds: 60", "traits: {callbacks: true}", "Takes jobs and has the verb for each of its traits"),
        (
            "credit_types:\n",
            "capture: {cookies: [sid]}\ncredit_types:\n",
            "Can be connected: by key, or from a captured session",
        ),
        ("state: status\n      progress", "state: phase\n      progress", "Carries a job from submit to result"),
    ],
)
def test_each_line_of_the_checklist_can_fail(entry: Entry, old: str, new: str, line: str) -> None:
    failed = {name: remedy for name, ok, remedy in conformance.checklist(edited(entry, old, new)) if not ok}
    assert failed.get(line)


def test_the_normal_form_is_json_without_defaults(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"hi")
    error = ProviderError("busy", "Wait.", retry_after=3.0)
    status = Status(state="failed", error=error, usage=Usage(cost=Decimal("0.10")), memo={})
    digest = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"
    assert normal(Done(outputs=(Output(kind="text", file=file),))) == {
        "type": "Done",
        "outputs": [{"kind": "text", "file": {"bytes": 2, "sha256": digest}}],
    }
    assert normal(status) == {
        "type": "Status",
        "state": "failed",
        "usage": {"cost": "0.10"},
        "error": {"code": "busy", "message": "Wait.", "retry_after": 3.0},
        "memo": {},
    }
    assert normal(("id", Status(state="running"))) == ["id", {"type": "Status", "state": "running"}]


def test_other_verbs_can_be_played(entry: Entry) -> None:
    found = edited(entry, "credentials:\n", "credentials:\n")
    assert found.adapter
    inspected = Case(Path("x.json"), {"case": "inspect", "verb": "inspect", "expect": {}, "exchanges": []})
    note = "Credentials are present; this provider offers no check."
    assert play(found.adapter, inspected) == ({"type": "Snapshot", "ok": True, "note": note}, False)
    renewed = Case(Path("x.json"), {"case": "renew", "verb": "renew", "expect": {}, "exchanges": []})
    assert play(found.adapter, renewed)[0]["type"] == "Renewed"
    for verb, given in (("connect", {"raw": {}}), ("receive", {"callback": {"json": {}}})):
        ended, raised = play(found.adapter, Case(Path("x.json"), {"case": verb, "verb": verb, "expect": {}, **given}))
        assert (ended["code"], raised) == ("unsupported", True)
