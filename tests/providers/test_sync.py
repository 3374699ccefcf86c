"""Catalogues become rows: once, again without a change, and never over what a person or time has written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scripted import CATALOGUE, ScriptedAdapter

from providers import sync
from providers.loaded import registry
from providers.models import Capability, Provider
from providers.registry import Entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def shelf(db, monkeypatch):
    """Puts a catalogue on the registry's shelf, or an error, or takes it away."""

    def put(catalogue=CATALOGUE, *, error: str = "", gone: bool = False) -> dict[str, int]:
        entry = Entry(
            slug="scripted", origin="path", adapter=ScriptedAdapter(catalogue), catalogue=catalogue, error=error
        )
        entry = replace(entry, catalogue=None, adapter=None) if error else entry
        if gone:
            monkeypatch.delitem(registry.entries, "scripted")
        else:
            monkeypatch.setitem(registry.entries, "scripted", entry)
        return sync.sync()

    return put


def provider() -> Provider:
    return Provider.objects.get(slug="scripted")


def row(model: str = "paint", operation: str = "text_to_image") -> Capability:
    return Capability.objects.get(provider__slug="scripted", model=model, operation=operation)


def without(model: str):
    return replace(CATALOGUE, capabilities=tuple(item for item in CATALOGUE.capabilities if item.model != model))


def test_a_catalogue_becomes_rows(shelf):
    assert shelf() == {"providers": 1, "capabilities": 6, "missing": 0}
    found = provider()
    assert (found.name, found.kind, found.origin, found.enabled, found.problem) == (
        "Scripted",
        "remote",
        "path",
        True,
        "",
    )
    assert found.catalogue["credit_types"][0]["credits"] == "100"
    assert "capabilities" not in found.catalogue
    assert (row().label, row().output_kind, row().lifecycle, row("film", "text_to_video").output_kind) == (
        "Paint",
        "image",
        "available",
        "video",
    )
    assert row("old").lifecycle == "retired"
    assert Capability.objects.filter(provider=found).order_by("position")[0].model == "paint"


def test_again_changes_nothing(shelf):
    shelf()
    before = provider().synced_at
    assert shelf() == {"providers": 0, "capabilities": 0, "missing": 0}
    assert provider().synced_at == before


def test_what_a_person_or_time_has_written_stays(shelf):
    shelf()
    Provider.objects.filter(slug="scripted").update(
        enabled_override=False, rate_override=9, health="down", failure_streak=3
    )
    Capability.objects.filter(provider__slug="scripted").update(
        enabled_override=False, label_override="Ours", price_override={"kind": "free"}
    )
    changed = replace(
        CATALOGUE, name="Renamed", capabilities=tuple(replace(item, label="New") for item in CATALOGUE.capabilities)
    )
    assert shelf(changed) == {"providers": 1, "capabilities": 6, "missing": 0}
    found = provider()
    assert (found.name, found.enabled_override, found.rate_override, found.health, found.failure_streak) == (
        "Renamed",
        False,
        9,
        "down",
        3,
    )
    assert (row().label, row().enabled_override, row().label_override, row().price_override) == (
        "New",
        False,
        "Ours",
        {"kind": "free"},
    )
    assert not found.is_enabled


def test_only_what_changed_is_written(shelf):
    shelf()
    dearer = replace(CATALOGUE.capabilities[0], price={"kind": "fixed", "credit": "usd", "rate": "9"})
    assert shelf(replace(CATALOGUE, capabilities=(dearer, *CATALOGUE.capabilities[1:])))["capabilities"] == 1
    assert row().spec["price"]["rate"] == "9"


def test_a_model_that_left_the_catalogue_is_missing_and_may_come_back(shelf):
    shelf()
    kept = row("film", "text_to_video").pk
    assert shelf(without("film"))["capabilities"] == 1
    assert row("film", "text_to_video").missing
    assert not Capability.objects.offered().filter(pk=kept).exists()
    assert shelf(without("film"))["capabilities"] == 0
    shelf()
    assert (row("film", "text_to_video").pk, row("film", "text_to_video").missing) == (kept, False)


def test_what_was_found_at_run_time_is_not_missing_from_the_catalogue(shelf):
    shelf()
    spec = replace(CATALOGUE.capabilities[0], model="found")
    assert sync.write(provider(), spec, None, origin="discovered") is True
    shelf()
    assert (row("found").missing, row("found").origin) == (False, "discovered")
    assert sync.write(provider(), spec, row("found"), origin="discovered") is False


def test_a_folder_that_is_gone_leaves_its_rows_readable(shelf):
    shelf()
    assert shelf(gone=True)["missing"] == 1
    assert provider().missing and not provider().is_enabled
    assert not Capability.objects.offered().filter(provider__slug="scripted").exists()
    assert Capability.objects.filter(provider__slug="scripted").count() == 6
    assert sync.sync()["missing"] == 0
    shelf()
    assert provider().is_enabled


def test_a_broken_folder_keeps_what_was_known_and_tells_the_problem(shelf):
    shelf()
    shelf(error="Traceback: it is broken")
    found = provider()
    assert (found.problem, found.name, found.is_enabled) == ("Traceback: it is broken", "Scripted", False)
    assert found.catalogue["slug"] == "scripted"
    shelf()
    assert provider().problem == ""


def test_a_folder_that_was_always_broken_has_a_row_that_says_so(shelf):
    shelf(error="It never worked")
    assert (provider().name, provider().problem) == ("scripted", "It never worked")


def test_a_date_of_retirement_is_a_date(shelf):
    first = replace(CATALOGUE.capabilities[0], lifecycle={"status": "deprecated", "retires_on": "2027-03-01"})
    shelf(replace(CATALOGUE, capabilities=(first,)))
    assert (row().lifecycle, str(row().retires_on)) == ("deprecated", "2027-03-01")
