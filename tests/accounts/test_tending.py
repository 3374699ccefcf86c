"""Accounts that stopped come back by themselves where they may, and models listed at run time are kept."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import discovery, ledger, tending
from accounts.errors import Refused
from accounts.models import ProviderAccount
from generations import housekeeping
from providers.models import Capability

pytestmark = pytest.mark.django_db


@pytest.fixture
def mock_account() -> ProviderAccount:
    return ProviderAccount.objects.select_related("provider").get(provider__slug="mock")


def stop(account: ProviderAccount, status: str) -> None:
    ProviderAccount.objects.filter(pk=account.pk).update(status=status, status_reason="for the test")


@pytest.mark.parametrize("status", ["exhausted", "auth_required"])
def test_what_is_made_here_comes_back_at_the_next_housekeeping(mock_account: ProviderAccount, status: str) -> None:
    stop(mock_account, status)
    housekeeping.ask_after_stopped()
    mock_account.refresh_from_db()
    assert (mock_account.status, mock_account.status_reason) == ("active", "")


def test_an_empty_account_stays_stopped_until_there_are_credits(mock_account: ProviderAccount) -> None:
    for pool in mock_account.pools.all():
        ledger.sync(pool, balance=0, key="emptied")
    stop(mock_account, "exhausted")
    housekeeping.ask_after_stopped()
    mock_account.refresh_from_db()
    assert mock_account.status == "exhausted"


def test_a_stopped_account_elsewhere_is_asked_about_at_a_distance_and_never_for_a_lost_login(
    mock_account: ProviderAccount,
) -> None:
    mock_account.provider.kind = "remote"
    mock_account.provider.save(update_fields=["kind"])
    stop(mock_account, "exhausted")
    assert tending.due() == [mock_account]
    ProviderAccount.objects.update(inspected_at=timezone.now())
    assert tending.due() == []
    ProviderAccount.objects.filter(pk=mock_account.pk).update(status="auth_required", inspected_at=None)
    assert tending.due() == []


def test_models_listed_at_run_time_are_kept_and_hidden_when_they_go(
    mock_account: ProviderAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert discovery.discover(mock_account) == {"listed": 2, "changed": 2, "hidden": 0}
    assert discovery.discover(mock_account) == {"listed": 2, "changed": 0, "hidden": 0}
    found = Capability.objects.filter(origin="discovered")
    assert {row.model for row in found} == {"image-found", "video-found"}
    assert set(found) <= set(Capability.objects.offered())
    real = discovery._ask
    monkeypatch.setattr(discovery, "_ask", lambda *args: real(*args)[:1])
    assert discovery.discover(mock_account) == {"listed": 1, "changed": 0, "hidden": 1}
    assert Capability.objects.offered().filter(origin="discovered").count() == 1


def test_a_provider_that_lists_nothing_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    account = ProviderAccount.objects.select_related("provider").get(provider__slug="local")
    with pytest.raises(Refused, match="lists no models at run time"):
        discovery.discover(account)
    with pytest.raises(CommandError, match="No working site-wide account"):
        call_command("discover", "local")
    call_command("discover", "mock")
    assert "Mock: 2 listed" in capsys.readouterr().out
