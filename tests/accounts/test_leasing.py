"""Places at accounts: as many as the limit says, each for one attempt, none for ever."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from scripted import new_house

from accounts import leasing, ledger
from accounts.leasing import Choice, Offer
from accounts.models import Lease, ProviderAccount
from accounts.people import make_workspace
from providers.models import Provider

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(db, monkeypatch):
    return new_house(monkeypatch)


def offer(house, slug: str = "scripted", cost: int = 50_000, **more) -> Offer:
    return Offer(capability=house.capability(slug=slug), credit_type="usd", cost=cost, **more)


def choose(house, *offers: Offer, **how) -> Choice:
    return leasing.pick(offers or [offer(house)], workspace=house.workspace, **how)


def test_the_choice_explains_itself(house):
    choice = choose(house)
    assert (choice.served, choice.account, choice.reason) == (True, house.account, "Main serves it")
    assert choice.explain()["models"]["scripted/paint"]["chosen"] == str(house.account.pk)


def test_only_one_s_own_and_the_shared_accounts_are_asked(house):
    ProviderAccount.objects.filter(pk=house.account.pk).delete()
    other = make_workspace("Other", house.user)
    house.login("Theirs", workspace=other)
    house.login("Gone", deleted_at=timezone.now())
    choice = choose(house)
    assert (choice.served, choice.never) == (False, True)
    assert (
        choice.reason
        == "No Scripted account is connected. Connect one under Accounts, or give its key in the environment."
    )
    mine = house.login("Mine", workspace=house.workspace)
    assert choose(house).account == mine


def test_work_that_needs_no_account_gets_none(house):
    ProviderAccount.objects.all().update(status="disabled")
    choice = choose(house, offer(house, needs_account=False))
    assert (choice.served, choice.account) == (True, None)
    assert leasing.take(choice, attempt_id=uuid.uuid4(), seconds=10) is True
    assert not Lease.objects.exists()


def test_a_fallback_is_asked_when_the_one_before_can_never_serve(house):
    house.provider("understudy")
    stand_in = house.login("Stand-in", slug="understudy")
    ProviderAccount.objects.filter(pk=house.account.pk).update(status="auth_required")
    choice = choose(house, offer(house), offer(house, "understudy"))
    assert (choice.account, choice.offer.capability.provider.slug) == (stand_in, "understudy")
    assert set(choice.decisions) == {"scripted/paint", "understudy/paint"}


def test_what_may_serve_soon_is_waited_for(house):
    house.provider("understudy")
    house.login("Stand-in", slug="understudy")
    ProviderAccount.objects.filter(pk=house.account.pk).update(
        cooldown_until=timezone.now() + timedelta(seconds=42), status_reason="Slow down."
    )
    choice = choose(house, offer(house), offer(house, "understudy"))
    assert (choice.served, choice.never, choice.reason) == (False, False, "Waiting: Main: Slow down.")
    assert choice.seconds == pytest.approx(42, abs=2)


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        ({"cooldown_until": 99_999}, 300),
        ({"cooldown_until": 0.2}, 1),
        ({"status": "exhausted"}, leasing.RETRY_SECONDS),
        ({}, 2),
    ],
)
def test_how_long_to_wait(house, change, seconds):
    if "cooldown_until" in change:
        change["cooldown_until"] = timezone.now() + timedelta(seconds=change["cooldown_until"])
    ProviderAccount.objects.filter(pk=house.account.pk).update(**change)
    Lease.objects.bulk_create(
        Lease(account=house.account, attempt=uuid.uuid4(), slot=slot, expires_at=timezone.now() + timedelta(hours=1))
        for slot in range(4)
    )
    assert choose(house).seconds == pytest.approx(seconds, abs=0.1)


def test_credits_that_are_held_are_not_counted_on(house):
    pool = ledger.account_pool(house.account, "usd")
    ledger.sync(pool, balance=100_000, key="s")
    ledger.hold(pool, amount=60_000, key="h", reference=uuid.uuid4())
    assert "out of credits" in choose(house).reason
    assert choose(house, offer(house, cost=40_000)).served


def test_an_account_whose_balance_nobody_knows_may_serve(house):
    unknown = house.login("Unknown", usd=None, priority=1)
    assert choose(house).account == unknown


@pytest.mark.parametrize(
    ("own", "operator", "catalogue", "limit"),
    [(7, 5, 3, 7), (None, 5, 3, 5), (None, None, 3, 3), (None, None, None, 4), (0, 5, 3, 0)],
)
def test_the_limit_is_the_account_s_the_operator_s_the_catalogue_s_or_four(house, own, operator, catalogue, limit):
    house.account.max_concurrency = own
    provider = Provider(
        concurrency_override=operator, catalogue={} if catalogue is None else {"concurrency": catalogue}
    )
    assert leasing.limit_of(house.account, provider) == limit


def test_places_are_numbered_and_end_by_themselves(house):
    choice = choose(house)
    attempts = [uuid.uuid4() for _ in range(6)]
    assert [leasing.take(choice, attempt_id=one, seconds=60) for one in attempts] == [True] * 4 + [False] * 2
    assert sorted(Lease.objects.values_list("slot", flat=True)) == [0, 1, 2, 3]
    assert "all 4 places are busy" in choose(house).reason
    leasing.free(attempts[1])
    assert leasing.take(choice, attempt_id=attempts[4], seconds=60)
    assert Lease.objects.get(attempt=attempts[4]).slot == 1
    Lease.objects.filter(slot=2).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert choose(house).served, "a place whose time has run out counts for nothing"
    assert leasing.take(choice, attempt_id=attempts[5], seconds=60)
    assert Lease.objects.get(attempt=attempts[5]).slot == 2


def test_a_place_taken_is_noted_and_may_be_kept_longer(house):
    attempt = uuid.uuid4()
    leasing.take(choose(house), attempt_id=attempt, seconds=60)
    house.account.refresh_from_db()
    assert house.account.last_used_at is not None
    leasing.extend(attempt, seconds=3600)
    assert Lease.objects.get().expires_at > timezone.now() + timedelta(minutes=59)
    assert leasing.busy(house.workspace) == 1
    leasing.free(attempt)
    leasing.free(attempt)
    assert leasing.busy(house.workspace) == 0


def test_the_longest_idle_account_is_next(house):
    second = house.login("Second")
    served = []
    for _ in range(4):
        choice = choose(house)
        attempt = uuid.uuid4()
        leasing.take(choice, attempt_id=attempt, seconds=60)
        leasing.free(attempt)
        served.append(choice.account)
    assert served in ([house.account, second] * 2, [second, house.account] * 2)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_never_take_more_places_than_there_are(monkeypatch):
    house = new_house(monkeypatch)
    choice = choose(house)
    taken: list[bool] = []
    start = threading.Barrier(6)

    def worker() -> None:
        try:
            start.wait(10)
            taken.extend(leasing.take(choice, attempt_id=uuid.uuid4(), seconds=60) for _ in range(2))
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert (len(taken), taken.count(True), Lease.objects.count()) == (12, 4, 4)
