"""From a model id (or a routing rule) and an operation to one capability that is offered today."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from accounts.errors import Refused, field_errors
from providers import mapping
from providers.models import Capability
from providers.operations import OPERATIONS

from . import history, quoting, specs

if TYPE_CHECKING:
    from .orders import Order

AUTO = "auto:"


def resolve(order: Order, roles: Sequence[str]) -> Capability:
    if order.model.startswith(AUTO):
        return _by_rule(order, roles)
    return find(order.model, order.operation, roles=roles)


def find(model: str, operation: str | None, *, roles: Sequence[str] = (), field: str = "model") -> Capability:
    """One capability of a model id; without an operation, the one that fits the inputs."""
    slug, _, name = model.partition("/")
    rows = list(
        Capability.objects.filter(provider__slug=slug, model=name).select_related("provider").order_by("position")
    )
    if not rows:
        raise field_errors({field: [f"There is no model {model}. GET /api/v1/models lists them."]})
    offered = set(Capability.objects.offered().filter(provider__slug=slug, model=name).values_list("pk", flat=True))
    if not offered:
        raise field_errors({field: [_why_not(rows[0])]})
    rows = [row for row in rows if row.pk in offered]
    wanted = "operation" if field == "model" else field
    return _operation(rows, operation, wanted) if operation else _fitting(rows, roles)


def _why_not(row: Capability) -> str:
    lifecycle = row.spec.get("lifecycle", {})
    if row.lifecycle == "retired":
        instead = f" Use {row.provider.slug}/{lifecycle['replaced_by']}." if lifecycle.get("replaced_by") else ""
        return f"{row.model_id} has been retired by its provider.{instead}"
    return f"{row.model_id} is not offered here at present."


def _operation(rows: Sequence[Capability], operation: str, field: str) -> Capability:
    for row in rows:
        if row.operation == operation:
            return row
    raise field_errors({field: [f"{rows[0].model_id} does {', '.join(row.operation for row in rows)}."]})


def _fitting(rows: Sequence[Capability], roles: Sequence[str]) -> Capability:
    """The operation whose inputs these roles are: all known, all required ones present."""
    for row in rows:
        known = specs.of(row).inputs
        if set(roles) <= {role.role for role in known} and all(role.role in roles for role in known if role.min):
            return row
    if len(rows) == 1:
        return rows[0]
    raise field_errors({"operation": [f"Say which: {', '.join(row.operation for row in rows)}."]})


def _by_rule(order: Order, roles: Sequence[str]) -> Capability:
    rule = order.model.removeprefix(AUTO)
    if rule not in RULES:
        raise field_errors({"model": [f"Write a model id, or one of {', '.join(AUTO + name for name in RULES)}."]})
    if not order.operation:
        raise field_errors({"operation": [f"{order.model} needs an operation, like {next(iter(OPERATIONS))}."]})
    rows = (
        Capability.objects.offered().filter(operation=order.operation, lifecycle="available").select_related("provider")
    )
    able = [row for row in rows if _able(row, order, roles)]
    if not able:
        raise Refused(
            "no_model", f"No model offered here can do this {order.operation}.", fields={"model": ["None fits."]}
        )
    return min(able, key=lambda row: RULES[rule](row, order, roles))


def _able(row: Capability, order: Order, roles: Sequence[str]) -> bool:
    spec = specs.of(row)
    fits = set(roles) <= {role.role for role in spec.inputs} and all(
        role.role in roles for role in spec.inputs if role.min
    )
    return fits and not mapping.validate(spec.schema, order.params)


def _cost(row: Capability, order: Order, roles: Sequence[str]) -> int:
    return quoting.price(row, order.params, roles).amount


def _seconds(row: Capability) -> float:
    return history.expected(row) or 1e9


# What each rule prefers; the smaller tuple wins. Without votes, "best" goes by what has worked here, then by price.
RULES: dict[str, Callable[[Capability, Any, Sequence[str]], tuple[Any, ...]]] = {
    "cheapest": lambda row, order, roles: (_cost(row, order, roles), _seconds(row), row.pk),
    "fastest": lambda row, order, roles: (_seconds(row), _cost(row, order, roles), row.pk),
    "best": lambda row, order, roles: (-history.success_share(row), -_cost(row, order, roles), row.pk),
}
