"""The admin's first page: each of its figures is what the rows say, and their number does not change the number of queries."""

from __future__ import annotations

import time
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import ledger
from accounts.models import Pool, ProviderAccount
from generations import lifecycle, orders
from generations.models import Attempt, Generation, Pulse, Step
from generations.models.generations import State, Status
from mediagen_site import dashboard
from providers.models import Provider

pytestmark = pytest.mark.django_db


def queue(workspace: Any, user: Any) -> Generation:
    order = orders.read({"model": "mock/image", "params": {"prompt": "a lighthouse"}})
    return lifecycle.create(order=order, workspace=workspace, user=user)[0]


def attempt(generation: Generation, **more: Any) -> Attempt:
    account = ProviderAccount.objects.filter(provider__slug="mock").first()
    fields = {
        "number": 1,
        "capability": generation.capability,
        "account": account,
        "created_at": timezone.now(),
        **more,
    }
    return Attempt.objects.create(generation=generation, **fields)


def test_a_step_whose_time_passed_is_stuck_and_a_paused_one_is_not(alice: Any, studio_space: Any) -> None:
    late, resting = queue(studio_space, alice), queue(studio_space, alice)
    lifecycle.pause(resting, by=alice)
    Step.objects.filter(pk__in=[late.pk, resting.pk]).update(due_at=time.time() - 300)
    found = dashboard.stuck(timezone.now())
    assert found["overdue"] == 1 and [row.pk for row in found["overdue_rows"]] == [late.pk]


def test_an_unknown_outcome_waits_for_a_verdict(alice: Any, studio_space: Any) -> None:
    attempt(queue(studio_space, alice), state=State.UNKNOWN)
    assert dashboard.stuck(timezone.now())["unknown"] == 1


def test_a_cluster_without_a_fresh_pulse_is_silent(db: None) -> None:
    Pulse.objects.create(cluster="io", at=time.time())
    Pulse.objects.create(cluster="poll", at=time.time() - 600)
    assert {row["name"]: row["silent"] for row in dashboard.pulses(time.time())} == {
        "default": True,
        "poll": True,
        "io": False,
    }


def test_the_share_of_successes_is_by_provider_and_of_the_last_day(alice: Any, studio_space: Any) -> None:
    now = timezone.now()
    for state, ended in (
        (State.SUCCEEDED, now),
        (State.SUCCEEDED, now),
        (State.FAILED, now),
        (State.FAILED, now - timedelta(days=2)),
    ):
        attempt(
            queue(studio_space, alice),
            state=state,
            finished_at=ended,
            error_code="" if state == State.SUCCEEDED else "remote_failed",
        )
    found = dashboard.failing(now)
    assert [(row["name"], row["done"], row["total"], row["percent"]) for row in found["rates"]] == [("Mock", 2, 3, 67)]
    assert found["codes"] == [("remote_failed", 1)]


def test_an_open_breaker_is_told_with_its_end(db: None) -> None:
    Provider.objects.filter(slug="mock").update(open_until=timezone.now() + timedelta(minutes=5))
    assert [row["why"].startswith("breaker open until") for row in dashboard.failing(timezone.now())["providers"]] == [
        True
    ]


def test_lateness_is_measured_from_the_providers_end_to_visible_here(alice: Any, studio_space: Any) -> None:
    now = timezone.now()
    generation = queue(studio_space, alice)
    attempt(generation, state=State.SUCCEEDED, finished_at=now - timedelta(seconds=2))
    fields = {
        "status": Status.SUCCEEDED,
        "started_at": now - timedelta(seconds=9),
        "finished_at": now,
        "charged_micros": 0,
    }
    Generation.objects.filter(pk=generation.pk).update(created_at=now - timedelta(seconds=10), **fields)
    found = dashboard.lateness(now)
    assert (found["queue"].p50, found["ours"].p50, found["whole"].p95) == (1.0, 2.0, 10.0)


def test_a_pool_that_will_not_last_a_week_is_running_out(studio_space: Any) -> None:
    pool = ledger.wallet(studio_space)
    ledger.capture(
        pool,
        amount=700_000_000,
        key="spent",
        reference=studio_space.memberships.first().user.personal_workspace.wallet.pk,
    )
    rows = dashboard.running_out(timezone.now())["pools"]
    assert [(row["pool"].pk, row["free"], row["daily"], round(row["days"])) for row in rows] == [
        (pool.pk, "300.00", "100.00", 3)
    ]


def test_an_unlimited_pool_never_runs_out(db: None) -> None:
    Pool.objects.filter(account__isnull=False).update(unlimited=True)
    assert dashboard.running_out(timezone.now())["pools"] == []


def test_accounts_that_need_a_person_are_listed(db: None) -> None:
    ProviderAccount.objects.filter(provider__slug="mock").update(status="auth_required")
    assert dashboard.running_out(timezone.now())["account_count"] == 1


def test_spending_is_by_day_and_adds_up(alice: Any, studio_space: Any) -> None:
    today = timezone.localdate()
    for days in (0, 0, 3):
        fields = {
            "status": Status.SUCCEEDED,
            "finished_at": timezone.now() - timedelta(days=days),
            "charged_micros": 2_000_000,
        }
        Generation.objects.filter(pk=queue(studio_space, alice).pk).update(**fields)
    found = dashboard.spending(today)
    assert (found["total"], found["today"], len(found["bars"])) == ("6.00", "4.00", 14)
    assert found["providers"] == [{"name": "Mock", "total": "6.00", "count": 3}]


def test_the_smallest_day_is_still_visible_in_the_chart() -> None:
    rows = dashboard.bars([(date(2026, 1, 1), 1), (date(2026, 1, 2), 1_000_000_000), (date(2026, 1, 3), 0)])
    assert rows[0]["h"] >= 2 and rows[1]["h"] == dashboard.CHART[1] and rows[2]["h"] == 0


def test_the_page_costs_the_same_however_many_rows_there_are(
    staff_client: Any, alice: Any, studio_space: Any, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        attempt(queue(studio_space, alice), state=State.UNKNOWN)
    Step.objects.update(due_at=time.time() - 300)
    with django_assert_max_num_queries(30):
        answer = staff_client.get("/admin/")
    assert answer.status_code == 200 and "outcomes unknown" in answer.content.decode()
