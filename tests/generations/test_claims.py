"""Taking due steps: in order, once each, for a lease; and both ways to lose one."""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from django.db import connection, transaction
from scripted import open_house

from accounts.models import Workspace
from generations import claims, submitting, tasks
from generations.models import Generation, Step
from providers.models import Capability


def make_step(capability, workspace, **more) -> Step:
    generation = Generation.objects.create(
        workspace=workspace,
        capability=capability,
        operation="text_to_image",
        output_kind="image",
        mode="mock",
        created_at="2026-01-01T00:00:00Z",
    )
    return Step.objects.create(
        generation=generation, **{"verb": "look", "cluster": "poll", "due_at": time.time() - 1, **more}
    )


@pytest.fixture
def place(db):
    return Capability.objects.order_by("pk").first(), Workspace.objects.create(slug="queue", name="Queue")


def test_a_claim_takes_what_is_due_and_nothing_else(place):
    due = make_step(*place)
    make_step(*place, due_at=time.time() + 60)
    make_step(*place, cluster="io", verb="fetch")
    make_step(*place, verb="settle")
    (taken,) = claims.take("poll", limit=10, verbs=("look",))
    assert (taken.pk, taken.claimed, taken.lease_seq) == (due.pk, True, 1)
    assert isinstance(taken.pk, uuid.UUID)
    assert claims.take("poll", limit=10, verbs=("look",)) == []


def test_a_claimed_step_is_the_row_as_the_model_reads_it(place):
    account = uuid.uuid4()
    made = make_step(
        *place, note="“half”", progress=0.25, position=None, account_id=account, priority=-3, watched_until=5.5
    )
    (taken,) = claims.take("poll", limit=1)
    kept = Step.objects.get(pk=made.pk)
    for field in Step._meta.concrete_fields:
        assert getattr(taken, field.attname) == getattr(kept, field.attname), field.attname
    assert not taken._state.adding


def test_priority_comes_before_waiting_longest(place):
    now = time.time()
    late = make_step(*place, due_at=now - 1)
    early = make_step(*place, due_at=now - 9)
    urgent = make_step(*place, due_at=now - 0.5, priority=5)
    assert [claims.take("poll", limit=1)[0].pk for _ in range(3)] == [urgent.pk, early.pk, late.pk]


def test_a_lease_that_runs_out_is_taken_over_and_counted(place):
    make_step(*place)
    (first,) = claims.take("poll", limit=1, seconds=-1)
    (second,) = claims.take("poll", limit=1)
    assert (first.lease_seq, second.lease_seq) == (1, 2)


def test_renewing_keeps_a_lease_and_never_wins_one_back(place):
    make_step(*place)
    (mine,) = claims.take("poll", limit=1, seconds=1)
    claims.renew([mine])
    assert Step.objects.get().due_at > time.time() + claims.LEASE - 2
    Step.objects.update(due_at=0)
    claims.take("poll", limit=1, seconds=5)
    before = Step.objects.get().due_at
    claims.renew([mine])
    assert Step.objects.get().due_at == before


def test_renewing_leaves_a_step_that_was_given_back(place):
    make_step(*place)
    (mine,) = claims.take("poll", limit=1)
    Step.objects.update(claimed=False, due_at=7)
    claims.renew([mine])
    assert Step.objects.get().due_at == 7


def test_accounts_that_have_all_they_may_get_are_passed_over(place):
    busy, other = uuid.uuid4(), uuid.uuid4()
    make_step(*place, account_id=busy)
    free = {make_step(*place, account_id=other).pk, make_step(*place).pk}
    assert {step.pk for step in claims.take("poll", limit=9, without=[busy, uuid.uuid4()])} == free
    assert len(claims.take("poll", limit=9)) == 1


def test_when_the_next_one_is_due(place):
    assert claims.next_due("poll") is None
    make_step(*place, due_at=2**40)
    assert claims.next_due("poll") is None, "what is paused is never due"
    make_step(*place, due_at=50.0)
    make_step(*place, due_at=20.0)
    assert (claims.next_due("poll"), claims.next_due("io")) == (20.0, None)


def test_a_step_that_breaks_comes_back_later_and_later(place):
    make_step(*place)
    (step,) = claims.take("poll", limit=1)
    waits = []
    for errors in (0, 3, 30):
        step.errors = errors
        tasks._later(step)
        waits.append(Step.objects.get().due_at - time.time())
    assert waits == [pytest.approx(5, abs=1), pytest.approx(40, abs=1), pytest.approx(600, abs=1)]


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_take_each_step_once():
    place = Capability.objects.order_by("pk").first(), Workspace.objects.create(slug="crowd", name="Crowd")
    made = {make_step(*place).pk for _ in range(60)}
    taken: list = []
    start = threading.Barrier(4)

    def worker():
        try:
            start.wait(10)
            while found := claims.take("poll", limit=7):
                taken.extend(step.pk for step in found)
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]
    assert (len(taken), set(taken)) == (60, made)


@pytest.mark.django_db(transaction=True)
def test_rows_another_worker_has_locked_are_left_to_it():
    """PostgreSQL passes them over at once; SQLite has one writer at a time, so the second waits its turn."""
    place = Capability.objects.order_by("pk").first(), Workspace.objects.create(slug="locked", name="Locked")
    first, second = make_step(*place, due_at=1), make_step(*place, due_at=2)
    skips = connection.vendor == "postgresql"
    found: list = []
    thread = threading.Thread(target=_work, args=(lambda limit: found.extend(claims.take("poll", limit=limit)), 2))
    with transaction.atomic():
        Step.objects.select_for_update().filter(pk=first.pk).update(note="mine")
        thread.start()
        thread.join(20 if skips else 0.5)
        assert [step.pk for step in found] == ([second.pk] if skips else [])
    thread.join(20)
    assert [step.pk for step in found] == ([second.pk] if skips else [first.pk, second.pk])


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_begin_one_attempt(monkeypatch):
    """Both have read the queued generation; the fence lets the later claim through and voids the other."""
    with open_house(monkeypatch) as house:
        generation = house.make()
        (old,) = house.claim("default")
        (new,) = house.claim("default", died=True)
        threads = [threading.Thread(target=_work, args=(submitting.work, step)) for step in (old, new)]
        [thread.start() for thread in threads]
        [thread.join(30) for thread in threads]
        assert (generation.attempts.count(), house.adapter.count("submit")) == (1, 1)


def _work(verb, given):
    try:
        verb(given)
    finally:
        connection.close()
