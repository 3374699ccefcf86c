"""The terminal states: the row moves once, its step goes, and the wallet is settled in the same transaction."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import ledger
from generations.models import Generation, Step
from generations.models.generations import LIVE, Status
from generations.quoting import Receipt

from .moves import move


def succeed(generation: Generation, *, receipt: Receipt, note: str = "") -> None:
    """finalizing → succeeded: capture what it really cost, release the rest. Assets are already kept."""
    with transaction.atomic():
        _end(
            generation,
            [Status.FINALIZING],
            Status.SUCCEEDED,
            charged=receipt.amount,
            receipt=receipt.to_dict(),
            note=note,
        )
        pool = ledger.wallet(generation.workspace)
        ledger.capture(pool, amount=receipt.amount, key=f"capture:{generation.pk}", reference=generation.pk, note=note)
        ledger.release(pool, key=f"release:{generation.pk}", reference=generation.pk)


def fail(
    generation: Generation,
    *,
    code: str,
    message: str,
    status: str = Status.FAILED,
    retryable: bool = False,
    data: dict[str, Any] | None = None,
) -> None:
    """Any live status → failed, filtered or cancelled: nothing is charged and the whole hold is released."""
    with transaction.atomic():
        _end(
            generation, LIVE, status, charged=0, data={"code": code, **(data or {})},
            error_code=code, error_message=message[:2000], retryable=retryable,
        )  # fmt: skip
        ledger.release(ledger.wallet(generation.workspace), key=f"release:{generation.pk}", reference=generation.pk)


def _end(
    generation: Generation, old: Any, status: str, *, charged: int, data: dict[str, Any] | None = None, **fields: Any
) -> None:
    move(
        generation, old, status, data={"charged": charged, **(data or {})},
        finished_at=timezone.now(), charged_micros=charged, unknown=False, **fields,
    )  # fmt: skip
    Step.objects.filter(pk=generation.pk).delete()
