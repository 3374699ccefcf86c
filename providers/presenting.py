"""Operations, providers and models as the programming interface shows them; whoever asks brings reasons and prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from .catalogue_types import Operation
from .models import Capability, Provider

Why = Callable[[Any], str]  # row -> the reason it cannot be used, or ""
Typical = Callable[[Capability], str]  # capability -> wallet credits one usual run costs
INTERNAL = ("x-maps-to",)  # how a field travels to the provider is no business of the caller


def operation_row(operation: Operation) -> dict[str, Any]:
    return {
        "id": operation.name,
        "object": "operation",
        "label": operation.label,
        "phrase": operation.phrase,
        "kind": operation.kind,
        "inputs": [
            {"role": role.role, "label": role.label, "kinds": list(role.kinds), "min": role.min, "max": role.max}
            for role in operation.inputs
        ],
        "outputs": list(operation.outputs),
    }


def provider_row(provider: Provider, capabilities: Sequence[Capability], why: Why) -> dict[str, Any]:
    says = provider.catalogue
    reason = why(provider)
    return {
        "id": provider.slug,
        "object": "provider",
        "name": provider.name,
        "environment": provider.kind,
        "description": says.get("description", ""),
        "website": says.get("website", ""),
        "docs": says.get("docs", ""),
        "version": says.get("version", ""),
        "checked": says.get("checked", ""),
        "domains": says.get("domains", []),
        "enabled": provider.is_enabled,
        "available": not reason,
        "reason": reason or None,
        "health": provider.health,
        "credentials": [
            {
                "name": row["name"],
                "label": row.get("label", row["name"]),
                "required": row.get("required", True),
                "help": row.get("help", ""),
            }
            for row in says.get("credentials", [])
        ],
        "credit_types": [
            {"key": row["key"], "label": row.get("label", row["key"])} for row in says.get("credit_types", [])
        ],
        "captures": bool(says.get("capture")),
        "operations": sorted({row.operation for row in capabilities}),
        "models": list(dict.fromkeys(f"{provider.slug}/{row.model}" for row in capabilities)),
    }


def model_row(capabilities: Sequence[Capability], why: Why, typical: Typical) -> dict[str, Any]:
    """All capabilities of one model id; the first speaks for the model."""
    first = capabilities[0]
    reasons = [why(row) for row in capabilities]
    available = "" in reasons
    return {
        "id": first.model_id,
        "object": "model",
        "provider": first.provider.slug,
        "label": first.effective_spec.get("label") or first.label,
        "available": available,
        "reason": None if available else reasons[0],
        "lifecycle": lifecycle(first),
        "operations": {row.operation: _operation(row, typical) for row in capabilities},
    }


def lifecycle(row: Capability) -> dict[str, Any]:
    says = row.spec.get("lifecycle", {})
    retires = row.retires_on.isoformat() if isinstance(row.retires_on, date) else says.get("retires_on")
    instead = says.get("replaced_by")
    full = instead if not instead or instead.startswith(f"{row.provider.slug}/") else f"{row.provider.slug}/{instead}"
    return {"status": row.lifecycle, "retires_on": retires, "replaced_by": full, "checked": says.get("checked") or None}


def _operation(row: Capability, typical: Typical) -> dict[str, Any]:
    spec = row.effective_spec
    schema = spec.get("schema", {})
    return {
        "label": spec.get("label") or row.label,
        "description": spec.get("description", ""),
        "parameters": {"type": "object", "properties": {}, "required": [], **_public(schema)},
        "inputs": [_role(role) for role in spec.get("inputs", ())],
        "outputs": list(spec.get("outputs", ())),
        "price": {"kind": price_kind(spec.get("price", {})), "unit": "credit", "typical": typical(row)},
        "limits": spec.get("limits", {}),
        "expected_seconds": spec.get("expected_seconds"),
    }


def price_kind(rule: Mapping[str, Any]) -> str:
    """The rule's kind; a sum of several different ones is `mixed`."""
    kinds = {price_kind(line) for line in rule["lines"]} if rule.get("lines") else {str(rule.get("kind", "free"))}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _role(role: Mapping[str, Any]) -> dict[str, Any]:
    shown = ("role", "label", "kinds", "min", "max", "mime", "max_bytes")
    return {name: role.get(name) for name in shown}


def _public(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {name: _public(below) for name, below in schema.items() if name not in INTERNAL}
    return [_public(below) for below in schema] if isinstance(schema, list | tuple) else schema
