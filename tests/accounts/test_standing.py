"""How an account and its provider stand after what just happened."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone
from scripted import fresh, later, new_house, oops

from accounts import standing
from accounts.models import ProviderAccount
from generations import housekeeping
from providers.models import Provider

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(db, monkeypatch):
    return new_house(monkeypatch)


def apply(house, effect: str, code: str = "busy", **more) -> ProviderAccount:
    account = fresh(house.account)
    standing.apply(effect, SimpleNamespace(account=account), oops(code, "It said so.", **more))
    return fresh(account)


def provider() -> Provider:
    return Provider.objects.get(slug="scripted")


@pytest.mark.parametrize(
    ("effect", "status"), [("auth_required", "auth_required"), ("revoked", "auth_required"), ("exhausted", "exhausted")]
)
def test_an_account_that_cannot_serve_says_why(house, effect, status):
    account = apply(house, effect)
    assert (account.status, account.status_reason) == (status, "It said so.")
    assert bool(provider().fuse_at) is (effect == "revoked")


@pytest.mark.parametrize("status", ["disabled", "blocked", "auth_required"])
@pytest.mark.parametrize("effect", ["auth_required", "exhausted"])
def test_late_news_does_not_change_what_a_person_or_an_earlier_one_decided(house, status, effect):
    ProviderAccount.objects.filter(pk=house.account.pk).update(status=status, status_reason="first")
    account = apply(house, effect)
    assert (account.status, account.status_reason) == (status, "first")


def test_no_effect_and_no_account_change_nothing(house):
    assert apply(house, "").status == "active"
    standing.apply("exhausted", SimpleNamespace(account=None), oops("out_of_credits"))
    standing.served(None)


def test_a_stated_time_is_kept(house):
    account = apply(house, "cool", retry_after=120)
    assert account.cooldown_until == pytest.approx(timezone.now() + timedelta(seconds=120), abs=timedelta(seconds=2))
    assert account.is_cooling


def test_without_a_stated_time_the_cooling_doubles_up_to_a_limit(house):
    seconds = []
    for _ in range(9):
        account = apply(house, "cool")
        seconds.append(round((account.cooldown_until - timezone.now()).total_seconds()))
    assert seconds == [5, 10, 20, 40, 80, 160, 320, 320, 320]
    assert account.failure_streak == 9


def test_a_success_ends_the_streak_but_not_the_cooling(house):
    account = apply(house, "cool", retry_after=120)
    standing.served(account)
    after = fresh(account)
    assert (after.failure_streak, after.cooldown_until) == (0, account.cooldown_until)


def test_five_failures_in_a_row_open_the_breaker_and_a_success_closes_it(house):
    for turn in range(standing.BREAKER_STREAK):
        assert provider().open_until is None, turn
        apply(house, "provider_down")
    assert provider().health == "down"
    assert timezone.now() < provider().open_until < timezone.now() + timedelta(seconds=standing.BREAKER_SECONDS + 1)
    standing.served(house.account)
    assert (provider().open_until, provider().failure_streak, provider().health, provider().health_note) == (
        None,
        0,
        "ok",
        "",
    )


def test_failures_with_a_success_between_them_open_nothing(house):
    for _ in range(3):
        for _ in range(standing.BREAKER_STREAK - 1):
            apply(house, "provider_down")
        standing.served(house.account)
    assert provider().open_until is None


def test_housekeeping_ends_what_is_over_and_keeps_the_reasons_that_stand(house):
    cooling = apply(house, "cool", retry_after=30)
    locked = house.login("Locked", status="auth_required", status_reason="Signed out.", cooldown_until=timezone.now())
    housekeeping.sweep()
    assert fresh(cooling).is_cooling
    with later(31):
        housekeeping.sweep()
    assert (fresh(cooling).cooldown_until, fresh(cooling).status_reason) == (None, "")
    assert (fresh(locked).cooldown_until, fresh(locked).status_reason) == (None, "Signed out.")
