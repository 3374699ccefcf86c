"""Each invariant is broken once by hand, and the audit names it and the row; a healthy house has nothing to tell."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from scripted import CREDIT, House, fresh, last, new_house, overdue, png, text, url

from accounts import ledger
from accounts.models import Entry, Lease, Pool
from generations import auditing, lifecycle
from generations.models import Asset, Attempt, Blob, Event, Generation, Step
from providers.types import Done, Status

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(db, monkeypatch):
    """Without the audit at the end: here the house is wrecked on purpose."""
    return new_house(monkeypatch)


@pytest.fixture
def raw(db):
    """SQL that no constraint stops, undone with the test."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints=ON")
    yield _run
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints=OFF")


def _run(sql: str, *given: Any, free: tuple[type, str] | None = None) -> None:
    """`free`: a table and the constraint (or unique index) of it that stands in the way."""
    with connection.cursor() as cursor:
        if free:
            _drop(cursor, *free)
        cursor.execute(sql, [_plain(value) for value in given])


def _plain(value: Any) -> Any:
    pk = getattr(value, "pk", value)
    return pk.hex if connection.vendor == "sqlite" and hasattr(pk, "hex") else pk


def _drop(cursor: Any, model: type, name: str) -> None:
    table = model._meta.db_table  # type: ignore[attr-defined]
    if connection.vendor == "postgresql":
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
        cursor.execute(f"DROP INDEX IF EXISTS {name}")
    else:
        cursor.execute(f"DROP INDEX IF EXISTS {name}")


# -- the material -----------------------------------------------------------------------------------------------------
def ended(house: House) -> Generation:
    generation = house.make()
    house.adapter.tell("submit", Done(outputs=text(), remote_id=f"r-{generation.pk}"))
    house.run(generation)
    return fresh(generation)


def cancelled(house: House) -> Generation:
    return lifecycle.cancel(house.make(), by="x")


def wallet(house: House) -> Pool:
    return ledger.wallet(house.workspace)


G, A, E, P = (model._meta.db_table for model in (Generation, Attempt, Entry, Pool))


# -- one spoiler or more for each: what it breaks, and the row that must be named -----------------------------------------
def i1_open_after_the_end(house: House, raw: Callable[..., None]) -> Any:
    generation = ended(house)
    raw(f"DELETE FROM {E} WHERE reference = %s AND kind = 'capture'", generation)
    return generation


def i1_below_nothing(house: House, raw: Callable[..., None]) -> Any:
    attempt = last(house.accepted())
    raw(f"UPDATE {E} SET held_change = -5 WHERE reference = %s", attempt, free=(Entry, "entry_signs"))
    return attempt


def i2_below_what_it_holds(house: House, raw: Callable[..., None]) -> Any:
    house.make()
    raw(f"UPDATE {P} SET balance = 1 WHERE workspace_id = %s", house.workspace, free=(Pool, "pool_wallet_covers_holds"))
    return wallet(house)


def i3_not_the_sum(house: House, raw: Callable[..., None]) -> Any:
    raw(f"UPDATE {P} SET balance = balance + 1 WHERE workspace_id = %s", house.workspace)
    return wallet(house)


def i3_held_not_the_sum(house: House, raw: Callable[..., None]) -> Any:
    raw(f"UPDATE {P} SET held = 7 WHERE account_id = %s", house.account)
    return ledger.account_pool(house.account, "usd")


def i3_no_entries(house: House, raw: Callable[..., None]) -> Any:
    raw(f"DELETE FROM {E} WHERE pool_id = %s", wallet(house))
    return wallet(house)


def i4_live_without_its_hold(house: House, raw: Callable[..., None]) -> Any:
    generation = house.make()
    raw(f"DELETE FROM {E} WHERE reference = %s", generation)
    return generation


def i4_account_hold_left_open(house: House, raw: Callable[..., None]) -> Any:
    generation = house.accepted()
    overdue(generation)
    house.look()
    house.look()
    raw(f"UPDATE {A} SET charged = 'no' WHERE id = %s", last(generation))
    return last(generation)


def i5_a_failure_was_charged(house: House, raw: Callable[..., None]) -> Any:
    generation = cancelled(house)
    raw(f"UPDATE {G} SET charged_micros = 1 WHERE id = %s", generation)
    return generation


def i5_a_failure_was_captured(house: House, raw: Callable[..., None]) -> Any:
    generation = cancelled(house)
    ledger.capture(wallet(house), amount=3, key="wrong", reference=generation.pk)
    return generation


def i6_never_captured(house: House, raw: Callable[..., None]) -> Any:
    generation = ended(house)
    raw(
        f"UPDATE {E} SET kind = 'refund' WHERE reference = %s AND kind = 'capture'",
        generation,
        free=(Entry, "entry_signs"),
    )
    return generation


def i6_captured_twice(house: House, raw: Callable[..., None]) -> Any:
    generation = ended(house)
    ledger.capture(wallet(house), amount=0, key="again", reference=generation.pk)
    return generation


def i6_captured_other_than_it_says(house: House, raw: Callable[..., None]) -> Any:
    generation = ended(house)
    raw(f"UPDATE {G} SET charged_micros = 1 WHERE id = %s", generation)
    return generation


def i7_more_than_its_hold(house: House, raw: Callable[..., None]) -> Any:
    generation = ended(house)
    raw(f"UPDATE {G} SET held_micros = 1 WHERE id = %s", generation)
    return generation


def i8_two_open_attempts(house: House, raw: Callable[..., None]) -> Any:
    generation = house.make()
    house.adapter.tell("submit", Status)  # an answer of the wrong kind: unknown
    house.submit()
    first = last(generation)
    with connection.cursor() as cursor:
        _drop(cursor, Attempt, "attempt_one_open")
    second = Attempt.objects.create(
        generation=generation,
        number=2,
        capability=first.capability,
        account=first.account,
        state="sending",
        created_at=first.created_at,
    )
    return min([first, second], key=lambda one: str(one.pk))


def i8_a_gap(house: House, raw: Callable[..., None]) -> Any:
    attempt = last(house.accepted())
    raw(f"UPDATE {A} SET number = 2 WHERE id = %s", attempt)
    return attempt


def i9_an_open_attempt_after_the_end(house: House, raw: Callable[..., None]) -> Any:
    generation = ended(house)
    raw(f"UPDATE {A} SET state = 'accepted' WHERE generation_id = %s", generation)
    return generation


def i9_a_step_after_the_end(house: House, raw: Callable[..., None]) -> Any:
    generation = ended(house)
    Step.objects.create(generation=generation, verb="look", cluster="poll", due_at=0)
    return generation


def i9_live_without_a_step(house: House, raw: Callable[..., None]) -> Any:
    generation = house.make()
    raw("DELETE FROM generations_step WHERE generation_id = %s", generation)
    return generation


def i9_two_ends(house: House, raw: Callable[..., None]) -> Any:
    generation = ended(house)
    Event.objects.create(
        workspace=house.workspace, generation=generation, kind="status", status="succeeded", at=generation.created_at
    )
    return generation


def i10_without_a_file(house: House, raw: Callable[..., None]) -> Any:
    generation = ended(house)
    Asset.objects.filter(generation=generation).delete()
    return generation


def i11_another_status(house: House, raw: Callable[..., None]) -> Any:
    generation = cancelled(house)
    raw(f"UPDATE {G} SET status = 'failed' WHERE id = %s", generation)
    return generation


def i11_no_story(house: House, raw: Callable[..., None]) -> Any:
    generation = house.make()
    Event.objects.filter(generation=generation).delete()
    return generation


def i12_a_place_for_nobody(house: House, raw: Callable[..., None]) -> Any:
    attempt = last(house.accepted())
    raw(f"UPDATE {A} SET state = 'failed' WHERE id = %s", attempt)
    return Lease.objects.get()


def i13_a_key_twice(house: House, raw: Callable[..., None]) -> Any:
    first, second = house.make(key="k"), house.make()
    raw(f"UPDATE {G} SET idempotency_key = 'k' WHERE id = %s", second, free=(Generation, "generation_key_once"))
    return min([first, second], key=lambda one: str(one.pk))


def i13_a_key_without_a_body(house: House, raw: Callable[..., None]) -> Any:
    generation = house.make(key="k")
    raw(f"UPDATE {G} SET body_hash = '' WHERE id = %s", generation)
    return generation


SPOILERS = [value for name, value in list(globals().items()) if re.match(r"i\d+_", name)]


def key_of(spoiler: Callable[..., Any]) -> str:
    return spoiler.__name__.partition("_")[0].upper()


def test_every_invariant_has_a_spoiler():
    assert {key_of(spoiler) for spoiler in SPOILERS} == {invariant.key for invariant in auditing.INVARIANTS}


@pytest.mark.parametrize("spoiler", SPOILERS, ids=lambda spoiler: spoiler.__name__)
def test_what_was_spoiled_is_named_with_its_row(house, raw, spoiler):
    assert list(auditing.check()) == []
    row = spoiler(house, raw)
    found = [offence for offence in auditing.check([key_of(spoiler)]) if _same(offence.id, row.pk)]
    assert found, f"{[str(offence) for offence in auditing.check()]} do not name {row.pk}"
    assert found[0].invariant.key == key_of(spoiler)
    assert found[0].what and found[0].table in connection.introspection.table_names()


def _same(told: str, pk: Any) -> bool:
    return told.replace("-", "") == str(pk).replace("-", "")


def test_a_house_full_of_everything_is_in_order(house):
    ended(house)
    cancelled(house)
    lifecycle.pause(house.make(), by="x")
    house.accepted()
    house.lost()
    expired = house.accepted()
    overdue(expired)
    house.look()
    house.look()
    house.run(house.make(mode="mock"))
    assert list(auditing.check()) == []


# -- the command ------------------------------------------------------------------------------------------------------
def test_the_command_says_that_all_is_well(house, capsys):
    ended(house)
    call_command("audit")
    assert re.fullmatch(r"All 13 invariants hold \(\d+\.\d\d s\)\.\n", capsys.readouterr().out)


def test_the_command_fails_and_names_the_first_offender(house, raw, capsys):
    generation = cancelled(house)
    raw(f"UPDATE {G} SET charged_micros = 1 WHERE id = %s", generation)
    with pytest.raises(SystemExit) as stopped:
        call_command("audit")
    told = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 1
    assert told[0].startswith("I5 what did not succeed costs nothing: generations_generation ")
    assert told[-1].replace("-", "") == f"{len(told) - 1} offences, first: I5 {generation.pk.hex}"


def test_deep_reads_every_file_again(house, capsys):
    house.files["a.png"] = png()
    generation = house.make()
    house.adapter.tell("submit", Done(outputs=url("a.png"), remote_id="r"))
    house.run(generation)
    call_command("audit", "--deep")
    blob = Blob.objects.get(assets__generation=generation)
    for spoil, told in ((_change, "its bytes are not what they were"), (_lose, "cannot be read")):
        spoil(blob)
        assert [(offence.invariant.key, offence.id) for offence in auditing.check_files()] == [("I10", blob.sha256)]
        assert list(auditing.check()) == [], "only a look at the bytes can tell"
        with pytest.raises(SystemExit):
            call_command("audit", "--deep")
        assert told in capsys.readouterr().err


def _change(blob: Blob) -> None:
    default_storage.delete(blob.key)
    default_storage.save(blob.key, ContentFile(b"x" * blob.bytes))


def _lose(blob: Blob) -> None:
    default_storage.delete(blob.key)


def test_the_figures_are_those_of_the_story(house):
    generation = ended(house)
    assert wallet(house).balance == 1000 * CREDIT - generation.charged_micros
