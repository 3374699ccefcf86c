"""Micros to people and back: amounts are integers of one millionth of a credit; Decimals live only at the edges."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal, InvalidOperation

from .errors import Refused

MICROS = 1_000_000
MOST = 9_000_000_000 * MICROS  # keeps sums far inside a 64-bit integer


def to_micros(credits: Decimal | str | int) -> int:
    """Rounded up: a price is never given away by rounding."""
    return int((Decimal(credits) * MICROS).to_integral_value(rounding=ROUND_CEILING))


def show(micros: int | None) -> str | None:
    return None if micros is None else f"{Decimal(micros) / MICROS:.6f}"


def short(micros: int | None) -> str:
    """Two places, for screens."""
    if micros is None:
        return "–"
    return f"{(Decimal(micros) / MICROS).quantize(Decimal('0.01'), rounding=ROUND_HALF_EVEN):,}"


def read_amount(text: str, *, field: str = "amount", positive: bool = True) -> int:
    """What a person typed as credits, in micros; refused by field name."""
    try:
        value = Decimal(text)
    except (InvalidOperation, TypeError):
        raise Refused(
            "invalid_fields",
            f"{field}: write a number of credits, like 250 or 12.5.",
            fields={field: ["Write a number."]},
        ) from None
    micros = to_micros(value) if value.is_finite() else 0
    if micros == 0 or (positive and micros < 0) or abs(micros) > MOST:
        wanted = "more than 0" if positive else "other than 0"
        raise Refused(
            "invalid_fields",
            f"{field}: must be {wanted} and below {MOST // MICROS:,}.",
            fields={field: [f"Must be {wanted}."]},
        )
    return micros
