"""What was asked for: read from a body, resolved to a capability, checked field by field, priced. Changes nothing.

The form, the API, batch and compatible endpoints all come through here, so they refuse alike.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings

from accounts.errors import Refused, field_errors
from accounts.models import ProviderAccount, Workspace
from generations.models import Asset, Generation
from providers import mapping
from providers.loaded import MOCK
from providers.models import Capability
from providers.types import InputFile

from . import intake, quoting, routing, specs
from .quoting import Price

MODES = ("live", "simulated", "mock")
FIELDS = (
    "model",
    "operation",
    "params",
    "inputs",
    "account",
    "fallbacks",
    "mode",
    "priority",
    "quote",
    "metadata",
    "webhook_url",
)
DEEPEST = 32
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_STORABLE = f"Text may not hold NUL or half a character, numbers must be finite, at most {DEEPEST} levels deep."
_SHAPES: dict[str, tuple[tuple[type, ...], str]] = {
    "model": ((str,), "Write a model id, like mock/image."),
    "operation": ((str, type(None)), "Write an operation, like text_to_image."),
    "params": ((dict,), "Write an object."),
    "inputs": ((list,), "Write a list of objects with role and asset, url or data."),
    "account": ((str, type(None)), "Write an account id."),
    "fallbacks": ((list,), "Write a list of model ids."),
    "mode": ((str, type(None)), f"Write one of {', '.join(MODES)}."),
    "priority": ((int,), "Write a whole number from -100 to 100."),
    "quote": ((str, type(None)), "Write the token of a quote."),
    "metadata": ((dict,), "Write an object."),
    "webhook_url": ((str, type(None)), "Write an address."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    model: str
    operation: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[Mapping[str, Any]] = ()
    account: str | None = None
    fallbacks: Sequence[str] = ()
    mode: str | None = None
    priority: int = 0
    quote: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    webhook_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """An order that can be accepted: everything resolved, nothing written yet (inputs by address are kept assets)."""

    capability: Capability
    params: dict[str, Any]
    inputs: list[tuple[str, Asset]]
    price: Price
    hold: int
    mode: str
    pinned: ProviderAccount | None
    fallbacks: list[dict[str, Any]]
    fingerprint: str

    @property
    def computed_here(self) -> bool:
        return self.mode == "mock" or self.capability.provider.kind == "builtin"


def read(body: Any) -> Order:
    """Shape only; every wrong or unknown field is named at once."""
    if not isinstance(body, Mapping):
        raise Refused("malformed", "Send one JSON object.", status=400)
    wrong = {name: [f"There is no field {name}."] for name in body if name not in FIELDS}
    for name, (types, remedy) in _SHAPES.items():
        value = body.get(name)
        if name in body and (not isinstance(value, types) or isinstance(value, bool)):
            wrong[name] = [remedy]
    if not body.get("model") and "model" not in wrong:
        wrong["model"] = ["Needed: a model id, like mock/image."]
    wrong |= {name: [_STORABLE] for name, value in body.items() if name in FIELDS and not _storable(value)}
    wrong |= _values(body) if not wrong else {}
    if wrong:
        raise field_errors(wrong)
    return Order(**{name: value for name, value in body.items() if value is not None})


def _storable(value: Any) -> bool:
    """What a database can keep and a digest can read; walked without recursion, for the nesting is the sender's choice."""
    left = [(value, 0)]
    while left:
        found, depth = left.pop()
        if depth > DEEPEST or (isinstance(found, str) and _UNSTORABLE.search(found)):
            return False
        if isinstance(found, float) and not math.isfinite(found):
            return False
        if isinstance(found, Mapping):
            left += [(below, depth + 1) for pair in found.items() for below in pair]
        elif isinstance(found, list):
            left += [(below, depth + 1) for below in found]
    return True


def _values(body: Mapping[str, Any]) -> dict[str, list[str]]:
    wrong = {}
    if body.get("mode") not in (None, *MODES):
        wrong["mode"] = [_SHAPES["mode"][1]]
    if not -100 <= body.get("priority", 0) <= 100:
        wrong["priority"] = [_SHAPES["priority"][1]]
    if any(not isinstance(item, str) for item in body.get("fallbacks") or ()):
        wrong["fallbacks"] = [_SHAPES["fallbacks"][1]]
    if len(json.dumps(body.get("metadata") or {})) > 16_384:
        wrong["metadata"] = ["At most 16 kB."]
    if body.get("webhook_url"):
        wrong["webhook_url"] = ["Webhooks are not available yet. Leave it out, and follow GET /api/v1/events instead."]
    return wrong


def digest(order: Order) -> str:
    """The order as sent, canonically: the same key with another digest is another request. The quote is not part."""
    body = {**asdict(order), "quote": None}
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


def again(generation: Generation) -> Order:
    """The order a finished generation came from, for a retry."""
    return Order(
        model=generation.capability.model_id, operation=generation.operation, params=generation.params, mode=generation.mode,
        inputs=[{"role": item.role, "asset": str(item.asset_id)} for item in generation.inputs.all()],
        account=str(generation.pinned_id) if generation.pinned_id else None, priority=generation.priority, metadata=generation.metadata,
        fallbacks=[row["model"] for row in generation.fallbacks],
    )  # fmt: skip


def prepare(order: Order, workspace: Workspace, user: Any) -> Ready:
    """Everything the person may be told no for, before anything is written or held."""
    inputs = intake.collect(order.inputs, workspace, user)
    capability = routing.resolve(order, [role for role, _ in inputs])
    params = _check(capability, order.params, inputs)
    mode = _mode(order, workspace, capability)
    price = quoting.price(capability, params, [role for role, _ in inputs])
    if order.quote:
        quoting.check_token(order.quote, price, digest(order))
    fallbacks = _fallbacks(order, workspace, capability, params, inputs)
    if mode != "live" and capability.provider.slug != MOCK:
        hold = 0
    else:
        hold = max(price.amount, *(row["amount"] for row in fallbacks)) if fallbacks else price.amount
    return Ready(
        capability=capability, params=params, inputs=inputs, price=price, hold=hold, mode=mode,
        pinned=_pinned(order, workspace, capability), fallbacks=fallbacks, fingerprint=_fingerprint(capability, params, inputs),
    )  # fmt: skip


def _check(capability: Capability, params: Mapping[str, Any], inputs: Sequence[tuple[str, Asset]]) -> dict[str, Any]:
    spec = specs.of(capability)
    problems = [(f"params.{problem.field}", problem.message) for problem in mapping.validate(spec.schema, params)]
    problems += [
        (problem.field, problem.message)
        for problem in mapping.check_inputs(spec, [_file(role, asset) for role, asset in inputs])
    ]
    if problems:
        fields: dict[str, list[str]] = {}
        for name, message in problems:
            fields.setdefault(name, []).append(message)
        raise field_errors(fields)
    return {name: value for name, value in params.items() if value is not None}


def _file(role: str, asset: Asset) -> InputFile:
    return InputFile(role=role, kind=asset.kind, mime=asset.mime, bytes=asset.blob.bytes, name=asset.name)


def _mode(order: Order, workspace: Workspace, capability: Capability) -> str:
    """generation → workspace → provider → site. The mock provider is always a mock; built-in work is always real."""
    if capability.provider.slug == MOCK:
        return "mock"
    if capability.provider.kind == "builtin":
        return "live"
    return order.mode or workspace.mode_override or capability.provider.mode_override or settings.MEDIAGEN_MODE


def _pinned(order: Order, workspace: Workspace, capability: Capability) -> ProviderAccount | None:
    if not order.account:
        return None
    try:
        wanted = UUID(order.account)
    except ValueError:
        raise field_errors({"account": ["This is not an account id."]}) from None
    found = (
        ProviderAccount.objects.usable_by(workspace)
        .filter(pk=wanted, provider=capability.provider, deleted_at=None)
        .first()
    )
    if found is None:
        raise field_errors({"account": [f"This workspace has no such account at {capability.provider.name}."]})
    return found


def _fallbacks(
    order: Order,
    workspace: Workspace,
    first: Capability,
    params: Mapping[str, Any],
    inputs: Sequence[tuple[str, Asset]],
) -> list[dict[str, Any]]:
    rows = []
    for model in order.fallbacks:
        row = routing.find(model, first.operation, field="fallbacks")
        if (mode := _mode(order, workspace, row)) != _mode(order, workspace, first):
            raise field_errors({"fallbacks": [f"{model} would run as {mode}, unlike {first.model_id}."]})
        try:
            _check(row, params, inputs)
        except Refused as error:
            raise field_errors({"fallbacks": [f"{model} cannot take this: {error.detail}"]}) from None
        amount = quoting.price(row, params, [role for role, _ in inputs]).amount
        rows.append({"model": model, "capability": row.pk, "amount": amount})
    return rows


def _fingerprint(capability: Capability, params: Mapping[str, Any], inputs: Sequence[tuple[str, Asset]]) -> str:
    parts = [
        capability.model_id,
        capability.operation,
        capability.spec_hash,
        params,
        [[role, asset.blob.sha256] for role, asset in inputs],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
