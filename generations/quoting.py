"""Prices in wallet credits: the quote shown, what an account pays, and the receipt of what was really used.

A provider's price is in its own credit type; the exchange table turns each line into wallet micros, rounded up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core import signing

from accounts import ledger
from accounts.errors import Refused
from accounts.leasing import Offer
from accounts.models import Exchange
from accounts.money import show, to_micros
from generations.models import Attempt, Generation
from providers import pricing
from providers.loaded import MOCK
from providers.models import Capability
from providers.types import Done, Quote, Usage

from . import specs

QUOTE_MINUTES = 15
_signer = signing.TimestampSigner(salt="mediagen.quote")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """`amount` in wallet micros; `cost` in micros of the account's own credit type."""

    amount: int
    lines: tuple[dict[str, str], ...]
    exact: bool
    credit_type: str
    cost: int
    version: str

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "lines": list(self.lines), "amount": show(self.amount), "cost": show(self.cost)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was charged and why: the quote's lines again, with what was measured."""

    amount: int
    lines: tuple[dict[str, str], ...]
    quoted: int
    measured: Mapping[str, Any]
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "amount": show(self.amount), "unit": "credit", "lines": list(self.lines), "quoted": show(self.quoted),
            "measured": dict(self.measured), "note": self.note,
        }  # fmt: skip


def price(
    capability: Capability,
    params: Mapping[str, Any],
    roles: Sequence[str] = (),
    *,
    plan: str = "",
    usage: Usage | None = None,
) -> Price:
    quote = pricing.quote(specs.of(capability), params, inputs=roles, plan=plan, usage=usage)
    return _in_credits(capability, quote)


def typical(capability: Capability, *, rate: Exchange | None = None) -> Price:
    """What one run usually costs; lists bring the exchange rate along, so that it is not looked up per row."""
    return _in_credits(capability, pricing.typical(specs.of(capability)), rate)


def _in_credits(capability: Capability, quote: Quote, rate: Exchange | None = None) -> Price:
    rate = rate or ledger.exchange(capability.provider, quote.credit_type)
    lines = [(line.label, _worth(rate, line.amount)) for line in quote.lines]
    version = hashlib.sha256(
        json.dumps([capability.effective_spec.get("price"), str(rate.credits), str(rate.markup_percent)]).encode()
    ).hexdigest()[:16]
    return Price(
        amount=sum(amount for _, amount in lines), lines=tuple({"label": label, "amount": show(amount) or ""} for label, amount in lines),
        exact=quote.exact, credit_type=quote.credit_type, cost=to_micros(quote.amount), version=version,
    )  # fmt: skip


def _worth(rate: Exchange, amount: Decimal) -> int:
    return to_micros(amount * Decimal(rate.credits) * (1 + Decimal(rate.markup_percent) / 100))


def offers(generation: Generation) -> list[Offer]:
    """The chosen capability, then its fallbacks, each with what an account would pay."""
    roles = list(generation.inputs.values_list("role", flat=True))
    fallbacks = Capability.objects.filter(pk__in=[row["capability"] for row in generation.fallbacks]).select_related(
        "provider"
    )
    order = {row["capability"]: place for place, row in enumerate(generation.fallbacks)}
    rows = [generation.capability, *sorted(fallbacks, key=lambda row: order[row.pk])]
    return [_offer(row, generation, roles) for row in rows]


def _offer(row: Capability, generation: Generation, roles: Sequence[str]) -> Offer:
    found = price(row, generation.params, roles)
    free_of_accounts = generation.mode != "live" and row.provider.slug != MOCK
    return Offer(capability=row, credit_type=found.credit_type, cost=found.cost, needs_account=not free_of_accounts)


def account_cost(attempt: Attempt, usage: Usage) -> int:
    return account_price(attempt, usage).cost


def account_price(attempt: Attempt, usage: Usage) -> Price:
    """What the account paid: the provider's own figure (and credit type), else its price rule over what was used."""
    if attempt.account is None or usage.charged is False:
        return Price(amount=0, lines=(), exact=True, credit_type=attempt.credit_type, cost=0, version="")
    generation = attempt.generation
    roles = list(generation.inputs.values_list("role", flat=True))
    return price(attempt.capability, generation.params, roles, plan=attempt.account.plan, usage=usage)


def counted(generation: Generation, done: Done) -> Usage:
    """The usage told; when fewer results came than were asked for and nobody said so, their number."""
    usage = done.usage or Usage()
    if usage.count is None and usage.cost is None and 0 < len(done.outputs) < asked(generation):
        return replace(usage, count=len(done.outputs))
    return usage


def asked(generation: Generation) -> int:
    """How many results the order wanted."""
    count = generation.params.get("count", 1)
    return count if isinstance(count, int) and not isinstance(count, bool) else 1


def usage_dict(usage: Usage) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in asdict(usage).items()
        if value not in (None, "")
    }


def read_usage(stored: Mapping[str, Any]) -> Usage:
    decimals = ("seconds", "megapixels", "cost")
    known: dict[str, Any] = {name: Decimal(str(value)) if name in decimals else value for name, value in stored.items()}
    return Usage(**known)


def receipt(generation: Generation, attempt: Attempt, *, kept: int, missing: int) -> Receipt:
    """The wallet's bill: priced by what was used, never above the hold; simulated and mock runs of others cost nothing."""
    if not charges(generation, attempt.capability):
        note = f"{generation.get_mode_display()}: quoted as usual, nothing is charged."
        return Receipt(
            amount=0,
            lines=({"label": note, "amount": show(0) or ""},),
            quoted=generation.quoted_micros,
            measured={},
            note=note,
        )
    usage = read_usage(attempt.usage)
    found = price(
        attempt.capability, generation.params, list(generation.inputs.values_list("role", flat=True)), usage=usage
    )
    lines, amount, note = list(found.lines), found.amount, ""
    if missing and kept:
        cut = amount - -(-amount * kept // (kept + missing))
        lines.append({"label": f"{missing} of {kept + missing} results could not be kept", "amount": show(-cut) or ""})
        amount -= cut
    most = _promised(generation, attempt)
    if amount > most:
        lines.append({"label": "Never more than was quoted", "amount": show(most - amount) or ""})
        amount = most
    return Receipt(
        amount=amount, lines=tuple(lines), quoted=generation.quoted_micros, measured=usage_dict(usage), note=note
    )


def _promised(generation: Generation, attempt: Attempt) -> int:
    """What was quoted for the model that served: a later rise of prices or mark-up is not the person's to pay."""
    quoted = {row["capability"]: row["amount"] for row in generation.fallbacks}
    quoted[generation.capability_id] = generation.quoted_micros
    return min(quoted.get(attempt.capability_id, generation.held_micros), generation.held_micros)


def charges(generation: Generation, capability: Capability) -> bool:
    return generation.mode == "live" or capability.provider.slug == MOCK


def token(found: Price, digest: str) -> tuple[str, datetime]:
    """A signed promise of this price for this very request, for a quarter of an hour."""
    signed = _signer.sign_object({"amount": found.amount, "version": found.version, "digest": digest})
    return signed, datetime.now(UTC) + timedelta(minutes=QUOTE_MINUTES)


def check_token(given: str, found: Price, digest: str) -> None:
    """Refused when it is not ours, too old, for another request, or the price has risen above it."""
    try:
        promised = _signer.unsign_object(given, max_age=QUOTE_MINUTES * 60)
    except signing.SignatureExpired:
        raise _bad_quote("quote_expired", "This quote has expired. Ask for a new one.") from None
    except signing.BadSignature:
        raise _bad_quote("quote_invalid", "This quote was not made here. Ask for a new one.") from None
    if promised["digest"] != digest:
        raise _bad_quote("quote_invalid", "This quote is for another request. Ask for one for this request.")
    if found.amount > promised["amount"]:
        raise _bad_quote("quote_outdated", f"The price has risen to {show(found.amount)} credits. Ask for a new quote.")


def _bad_quote(code: str, detail: str) -> Refused:
    return Refused(code, detail, status=409, fields={"quote": [detail]})
