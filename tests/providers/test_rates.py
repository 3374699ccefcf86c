"""Requests per minute of one account: a bucket shared by every process, never given out twice."""

from __future__ import annotations

import threading
import time

import pytest
import time_machine
from django.db import connection

from providers import rates
from providers.errors import ProviderError
from providers.models import RateBucket

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    with time_machine.travel(1_800_000_000, tick=False) as traveller:
        yield traveller


def test_without_a_rate_everything_may_go(db):
    assert rates.take("k", per_minute=None, wanted=500) == 500
    assert rates.take("k", per_minute=0, wanted=5) == 5
    assert not RateBucket.objects.exists()


def test_a_minute_s_share_is_given_out_once_and_comes_back_with_time(clock):
    assert rates.take("k", per_minute=30, wanted=20) == 20
    assert rates.take("k", per_minute=30, wanted=20) == 10
    assert rates.take("k", per_minute=30, wanted=20) == 0
    clock.shift(10)
    assert rates.take("k", per_minute=30, wanted=20) == 5
    clock.shift(3600)
    assert rates.take("k", per_minute=30, wanted=99) == 30, "no more than one minute's share is saved up"


def test_part_of_a_token_is_kept(clock):
    rates.take("k", per_minute=6, wanted=6)
    clock.shift(15)
    assert rates.take("k", per_minute=6, wanted=9) == 1
    clock.shift(5)
    assert rates.take("k", per_minute=6, wanted=9) == 1


def test_keys_do_not_share(clock):
    assert rates.take("a", per_minute=1) == 1
    assert rates.take("a", per_minute=1) == 0
    assert rates.take("b", per_minute=1) == 1


def test_less_than_one_a_minute_is_still_one_in_a_while(clock):
    assert rates.take("k", per_minute=0.5) == 0
    clock.shift(120)
    assert rates.take("k", per_minute=0.5) == 1
    assert rates.take("k", per_minute=0.5) == 0
    clock.shift(120)
    assert rates.take("k", per_minute=0.5) == 1


def test_a_clock_that_was_set_back_costs_nothing(clock):
    rates.take("k", per_minute=60, wanted=30)
    clock.shift(-3600)
    assert rates.take("k", per_minute=60, wanted=99) == 30


def test_spending_beyond_it_is_refused_before_anything_is_sent(clock):
    rates.spend("k", per_minute=1)
    with pytest.raises(ProviderError) as caught:
        rates.spend("k", per_minute=1)
    assert (caught.value.code, caught.value.charged, caught.value.retry_after) == ("rate_limited", False, 60)
    rates.spend("k", per_minute=None)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_no_more_than_there_is():
    granted: list[int] = []
    start = threading.Barrier(5)

    def worker() -> None:
        try:
            start.wait(10)
            granted.extend(rates.take("k", per_minute=10, wanted=1) for _ in range(4))
        finally:
            connection.close()

    began = time.monotonic()
    threads = [threading.Thread(target=worker) for _ in range(5)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    back = int((time.monotonic() - began) * 10 / 60)
    assert len(granted) == 20
    assert 10 <= sum(granted) <= 10 + back
