"""When to look: near the quickest we have seen, denser around the expected moment, never in a tight circle."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone
from scripted import House, last, open_house, text

from generations import history, timing
from generations.models import Attempt
from providers.types import Done

POLLING = {"first": 2, "steps": [2, 3, 5], "ceiling": 15, "deadline": 900}
PAST = {"p20": 40.0, "p50": 60.0, "p90": 90.0}


@pytest.fixture
def steady(monkeypatch):
    monkeypatch.setattr(timing, "_jitter", lambda seconds: seconds)


def test_without_history_the_catalogue_says_when(steady):
    assert timing.first_look(POLLING, None) == 2
    assert [timing.next_look(POLLING, None, looks=looks, elapsed=5, watched=False) for looks in range(3)] == [2, 3, 5]


def test_after_the_steps_the_wait_grows_with_the_time_up_to_the_ceiling(steady):
    waits = [timing.next_look(POLLING, None, looks=9, elapsed=elapsed, watched=False) for elapsed in (5, 50, 100, 1000)]
    assert waits == [1, 5, 10, 15]


def test_with_history_the_first_look_is_near_the_quickest(steady):
    assert timing.first_look(POLLING, PAST) == 36
    assert timing.first_look({**POLLING, "deadline": 60}, PAST) == 15, "but early within the deadline"
    assert timing.first_look({**POLLING, "first": 0}, None) == 0.3


def test_around_the_expected_moment_looks_are_dense(steady):
    steps = {**POLLING, "steps": [], "ceiling": 100}
    assert timing.next_look(steps, PAST, looks=1, elapsed=58, watched=False) == 2, "right at the median"
    assert timing.next_look(steps, PAST, looks=1, elapsed=70, watched=False) == 3, "five hundredths of it after"
    assert timing.next_look(steps, PAST, looks=1, elapsed=200, watched=False) == 20


def test_someone_watching_is_never_kept_waiting_long(steady):
    assert timing.next_look(POLLING, None, looks=9, elapsed=1000, watched=True) == timing.WATCHED_CEILING


def test_the_provider_s_own_word_comes_first_but_never_below_the_floor():
    assert timing.next_look(POLLING, PAST, looks=0, elapsed=5, watched=True, said=42) == 42
    assert timing.next_look(POLLING, PAST, looks=0, elapsed=5, watched=True, said=0) == timing.FLOOR


@pytest.mark.parametrize("elapsed", [0, 0.01, 59.999, 60, 89, 90, 1e6])
@pytest.mark.parametrize("past", [None, PAST, {"p20": 0.0, "p50": 0.0, "p90": 0.0}])
@pytest.mark.parametrize("watched", [True, False])
def test_a_look_is_never_followed_by_the_next_within_the_floor(elapsed, past, watched):
    for looks in (0, 1, 50):
        seconds = timing.next_look(
            {**POLLING, "steps": [0], "ceiling": 0}, past, looks=looks, elapsed=elapsed, watched=watched
        )
        assert 0.85 * timing.FLOOR <= seconds <= 1.15 * timing.FLOOR


def test_a_crowd_does_not_come_back_at_once():
    assert len({timing.next_look(POLLING, None, looks=0, elapsed=0, watched=False) for _ in range(20)}) > 10


def test_trouble_doubles_the_wait_and_a_stated_time_is_kept(steady):
    assert [timing.after_error(errors, None) for errors in (1, 2, 5, 50)] == [2, 4, 32, 60]
    assert timing.after_error(3, 17.5) == 17.5
    assert timing.after_error(3, 0) == 8
    assert timing.after_error(3, 1e9) == timing.LONGEST


# -- our own past -----------------------------------------------------------------------------------------------------
@pytest.fixture
def house(db, monkeypatch):
    with open_house(monkeypatch) as made:
        yield made


def ran(house: House, *seconds: float) -> None:
    for taken in seconds:
        generation = house.make()
        house.adapter.tell("submit", Done(outputs=text(), remote_id=f"r-{generation.pk}"))
        house.run(generation)
        start = timezone.now() - timedelta(hours=1)
        Attempt.objects.filter(pk=last(generation).pk).update(
            created_at=start, finished_at=start + timedelta(seconds=taken)
        )


def test_history_begins_with_three_runs(house):
    row = house.capability()
    ran(house, 10, 20)
    assert (history.quantiles(row), history.expected(row)) == (None, 7)
    ran(house, 30)
    cache.delete(f"history:{row.pk}")
    assert history.quantiles(row) == {"p20": 10.0, "p50": 20.0, "p90": 30.0}
    assert history.expected(row) == 20.0


def test_history_counts_from_the_moment_a_job_was_accepted(house):
    row = house.capability()
    ran(house, 100, 100, 100)
    for attempt in Attempt.objects.all():
        Attempt.objects.filter(pk=attempt.pk).update(accepted_at=attempt.created_at + timedelta(seconds=60))
    cache.delete(f"history:{row.pk}")
    assert history.expected(row) == 40.0


def test_the_share_of_successes_starts_in_the_middle(house):
    row = house.capability()
    assert history.success_share(row) == 0.5
    ran(house, 1, 1, 1)
    generation = house.accepted()
    Attempt.objects.filter(generation=generation).update(capability=house.capability("paint-fine"))
    assert history.success_share(row) == 1.0
