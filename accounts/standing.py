"""How an account and its provider stand after what just happened: cooling, out of credits, needing a person, breaker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from providers.errors import ProviderError
from providers.models import Provider

from .models import ProviderAccount

COOL_SECONDS = 5.0
COOL_CEILING = 600.0
STATED_CEILING = 86_400.0  # what a provider states is kept, up to a day
BREAKER_STREAK = 5
BREAKER_SECONDS = 60


def served(account: ProviderAccount | None) -> None:
    """A success clears the streaks of the account and its provider; a cool-down lasts as long as it was asked for."""
    if account is None:
        return
    ProviderAccount.objects.filter(pk=account.pk).exclude(failure_streak=0).update(failure_streak=0)
    Provider.objects.filter(pk=account.provider_id).exclude(failure_streak=0, open_until=None).update(
        failure_streak=0, open_until=None, health="ok", health_note=""
    )


def apply(effect: str, attempt: Any, error: ProviderError) -> None:
    """The account side of the policy table; an attempt without an account changes nothing."""
    if attempt.account is not None and effect:
        EFFECTS[effect](attempt.account, error)


def _auth_required(account: ProviderAccount, error: ProviderError) -> None:
    _status(account, "auth_required", error.message)


def _revoked(account: ProviderAccount, error: ProviderError) -> None:
    """This account stops, and no other captured one is tried until a person has looked."""
    _status(account, "auth_required", error.message)
    Provider.objects.filter(pk=account.provider_id).update(
        fuse_at=timezone.now(), health="down", health_note=error.message
    )


def _exhausted(account: ProviderAccount, error: ProviderError) -> None:
    _status(account, "exhausted", error.message)


def _cool(account: ProviderAccount, error: ProviderError) -> None:
    backed_off = min(COOL_SECONDS * 2 ** min(account.failure_streak, 6), COOL_CEILING)
    seconds = min(error.retry_after, STATED_CEILING) if error.retry_after else backed_off
    ProviderAccount.objects.filter(pk=account.pk).update(
        cooldown_until=timezone.now() + timedelta(seconds=seconds),
        status_reason=error.message[:400],
        failure_streak=F("failure_streak") + 1,
    )


def _provider_down(account: ProviderAccount, error: ProviderError) -> None:
    Provider.objects.filter(pk=account.provider_id).update(
        failure_streak=F("failure_streak") + 1, health="degraded", health_note=error.message[:400]
    )
    Provider.objects.filter(pk=account.provider_id, failure_streak__gte=BREAKER_STREAK).update(
        open_until=timezone.now() + timedelta(seconds=BREAKER_SECONDS), health="down"
    )


def _status(account: ProviderAccount, status: str, reason: str) -> None:
    ProviderAccount.objects.filter(pk=account.pk, status="active").update(status=status, status_reason=reason[:400])


EFFECTS: dict[str, Callable[[ProviderAccount, ProviderError], None]] = {
    "auth_required": _auth_required,
    "revoked": _revoked,
    "exhausted": _exhausted,
    "cool": _cool,
    "provider_down": _provider_down,
}
