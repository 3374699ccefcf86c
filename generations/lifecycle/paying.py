"""What an attempt's end means for the account it ran on: its place is freed, what it cost is captured, the rest released."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone

from accounts import leasing, ledger
from generations import quoting
from generations.models import Attempt
from generations.models.generations import OPEN
from providers.errors import ProviderError
from providers.types import Usage

from .moves import move_attempt


def close_attempt(attempt: Attempt, state: str, error: ProviderError, *, old: Iterable[str] = OPEN) -> None:
    charged = error.charged is True
    cost = quoting.account_cost(attempt, Usage()) if charged else 0
    move_attempt(
        attempt, old, state, finished_at=timezone.now(), error_code=error.code, error_message=error.message[:2000],
        vendor_code=error.vendor_code[:120], charged="yes" if charged else "no", cost_micros=cost,
    )  # fmt: skip
    leasing.free(attempt.pk)
    settle_account(attempt, charged=cost)


def settle_account(attempt: Attempt, *, charged: int, held_as: str = "") -> None:
    """Capture in the credit type the provider charged, release what was held, be it in another."""
    if attempt.account is None:
        return
    if charged:
        paid = ledger.account_pool(attempt.account, attempt.credit_type)
        ledger.capture(paid, amount=charged, key=f"capture:{attempt.pk}", reference=attempt.pk)
    held = ledger.account_pool(attempt.account, held_as or attempt.credit_type)
    ledger.release(held, key=f"release:{attempt.pk}", reference=attempt.pk)
