"""A slice of following: everything due is looked at side by side, rates are shared, and a stuck account starves nobody."""

from __future__ import annotations

import asyncio
import time
import uuid

import pytest
from django.db.models import F
from scripted import CREDIT, PlainAsync, fresh, last, open_house, text

from accounts import leasing, secrets
from accounts.models import Entry, Lease, Pool, ProviderAccount
from generations import poller
from generations.models import Attempt, Event, Generation, Step
from providers.errors import AuthorError
from providers.models import Provider
from providers.types import Status

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def house(request, monkeypatch):
    request.getfixturevalue("transactional_db" if request.node.get_closest_marker("django_db").kwargs else "db")
    with open_house(monkeypatch) as made:
        ProviderAccount.objects.update(max_concurrency=1000)
        yield made


def slice_of(seconds: float = 20.0, *, stop=lambda: False) -> float:
    started = time.monotonic()
    asyncio.run(poller.Poller(stop=stop, stamp=lambda: None).run(time.time() + seconds))
    return time.monotonic() - started


def all_due() -> None:
    Step.objects.filter(cluster="poll").update(due_at=0)


def running(house, count: int, **more) -> list[Generation]:
    generations = [house.make(**more) for _ in range(count)]
    house.submit()
    return generations


def test_more_jobs_than_their_rate_are_put_back_for_their_next_token(house):
    generations = running(house, 5)
    Provider.objects.filter(slug="scripted").update(rate_override=3)
    assert house.look() == 3
    waiting = Step.objects.filter(looks=0)
    assert sorted(round(step.due_at - time.time()) for step in waiting) == [20, 40]
    assert not waiting.filter(claimed=True).exists()
    assert {fresh(one).status for one in generations} == {"running"}


def test_each_account_has_a_rate_of_its_own(house):
    other = house.login("Other", max_concurrency=1000)
    for account in (house.account, other):
        running(house, 3, account=str(account.pk))
    Provider.objects.filter(slug="scripted").update(rate_override=2)
    assert house.look() == 4


def test_mock_and_built_in_work_knows_no_rate(house):
    Provider.objects.filter(slug="mock").update(rate_override=1)
    generations = [
        house.make(model="mock/video", operation="text_to_video", params={"prompt": "x", "duration": 1})
        for _ in range(3)
    ]
    house.fetch()
    assert {fresh(one).status for one in generations} == {"running"}
    assert house.look() == 3


def test_a_broken_adapter_is_a_strike_not_an_accident(house):
    (generation,) = running(house, 1)
    house.adapter.tell("poll", AuthorError("forgot to yield"))
    house.look()
    assert (last(generation).strikes, fresh(generation).step.note) == (1, "The adapter is broken: forgot to yield")


def crowd(house, count: int) -> list[Generation]:
    """One accepted job and its likes, copied row by row: submitting each would take longer than following all of them."""
    (first,) = running(
        house, 1, model="scripted/film", operation="text_to_video", params={"prompt": "x", "duration": 1}
    )
    keys = {"generation_id": [first.pk, *(uuid.uuid4() for _ in range(count - 1))]}
    keys["attempt"] = [last(first).pk, *(uuid.uuid4() for _ in range(count - 1))]
    _copy(Generation, {"pk": first.pk}, lambda n: {"id": keys["generation_id"][n]}, count)
    _copy(Step, {"pk": first.pk}, lambda n: {"generation_id": keys["generation_id"][n]}, count)
    _copy(Event, {"generation": first}, lambda n: {"id": None, "generation_id": keys["generation_id"][n]}, count)
    _copy(
        Attempt,
        {"generation": first},
        lambda n: (
            {"id": keys["attempt"][n], "generation_id": keys["generation_id"][n]}
            | {"callback_token": f"t{n}", "remote_id": f"r{n}", "remote_digest": f"d{n}"}
        ),
        count,
    )
    _copy(
        Lease, {"attempt": keys["attempt"][0]}, lambda n: {"id": None, "attempt": keys["attempt"][n], "slot": n}, count
    )
    for kind, rows in keys.items():
        _copy(
            Entry,
            {"reference": rows[0]},
            lambda n, kind=kind, rows=rows: {"id": None, "key": f"{kind}:{n}", "reference": rows[n]},
            count,
        )
    Pool.objects.filter(held__gt=0).update(held=F("held") * count)
    assert house.audit() == []
    return list(Generation.objects.filter(pk__in=keys["generation_id"]))


def _copy(model, which: dict, own, count: int) -> None:
    rows = list(model.objects.filter(**which).values())
    model.objects.bulk_create(model(**{**row, **own(number)}) for number in range(1, count) for row in rows)


@pytest.mark.django_db(transaction=True)
def test_a_slice_ends_two_hundred_jobs(house):
    generations = crowd(house, 200)
    assert Generation.objects.filter(status="running").count() == 200
    all_due()
    house.adapter.tell("poll", *[Status(state="succeeded", outputs=text())] * 20, *[Status(state="filtered")] * 180)
    seconds = slice_of()
    assert seconds < 20
    assert Generation.objects.filter(status="finalizing").count() == 20
    assert Generation.objects.filter(status="filtered").count() == 180
    assert house.adapter.count("poll") == 200
    assert "io" in house.rung
    house.run(*generations)
    assert Generation.objects.filter(status="succeeded").count() == 20
    assert house.wallet == (980 * CREDIT, 0)
    assert house.pool() == (99_800_000, 0)


@pytest.mark.django_db(transaction=True)
def test_a_slice_ends_early_when_nothing_is_due_soon(house):
    running(house, 3)
    Step.objects.update(due_at=time.time() + 3600)
    assert slice_of() < 3
    assert house.adapter.count("poll") == 0


@pytest.mark.django_db(transaction=True)
def test_a_slice_stops_when_it_is_told(house):
    running(house, 3)
    all_due()
    assert slice_of(stop=lambda: True) < 3
    assert Step.objects.filter(claimed=True).count() == 0


class Stuck(PlainAsync):
    """The provider of one credential takes its time; the others answer at once."""

    slow: str = ""
    seconds = 1.5

    async def call(self, name, make, site):
        result = make()
        if site.secrets["api_key"] == self.slow:
            await asyncio.sleep(self.seconds)
        return result


@pytest.mark.django_db(transaction=True)
def test_answers_that_take_longer_than_a_tick_are_kept(house, monkeypatch):
    monkeypatch.setattr(poller, "Async", Stuck)
    monkeypatch.setattr(Stuck, "slow", "a very secret key")
    monkeypatch.setattr(Stuck, "seconds", 0.7)
    running(house, 5)
    all_due()
    house.adapter.tell("poll", *[Status(state="succeeded", outputs=text())] * 5)
    slice_of(5)
    assert Generation.objects.filter(status="finalizing").count() == house.adapter.count("poll") == 5
    house.run(*Generation.objects.all())


@pytest.mark.django_db(transaction=True)
def test_a_stuck_account_starves_nobody_and_hands_back_what_it_could_not_look_at(house, monkeypatch):
    monkeypatch.setattr(poller, "BATCH", 12)
    monkeypatch.setattr(poller, "AT_ONCE", 12)
    monkeypatch.setattr(poller, "PER_ACCOUNT", 4)
    monkeypatch.setattr(poller, "Async", Stuck)
    monkeypatch.setattr(Stuck, "slow", "slow key")
    stuck = house.login("Stuck", max_concurrency=1000)
    secrets.store(stuck, "api_key", "slow key")
    slow = running(house, 30, account=str(stuck.pk))
    quick = running(house, 10, account=str(house.account.pk))
    all_due()
    Step.objects.filter(account_id=stuck.pk).update(due_at=-1)  # the stuck ones are first in the queue
    slice_of(1.0)
    assert Step.objects.filter(pk__in=quick, looks__gte=1).count() == 10
    looked = Step.objects.filter(pk__in=slow, looks__gte=1).count()
    assert 4 <= looked <= 12
    assert not Step.objects.filter(claimed=True).exists(), "what nobody came to is handed back at once"


@pytest.mark.django_db(transaction=True)
def test_two_pollers_at_once_deliver_each_job_once(house):
    generations = running(house, 30)
    all_due()
    house.adapter.tell("poll", *[Status(state="succeeded", outputs=text())] * 60)

    async def both():
        pollers = [poller.Poller(stop=lambda: False, stamp=lambda: None) for _ in range(2)]
        await asyncio.gather(*(one.run(time.time() + 10) for one in pollers))

    asyncio.run(both())
    assert Generation.objects.filter(status="finalizing").count() == 30
    assert house.adapter.count("poll") == 30
    house.run(*generations)
    assert leasing.busy(house.workspace) == 0
