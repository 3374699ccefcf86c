"""An operator's price for one capability: read by the same loader as a catalogue, so it is refused in the same words."""

from __future__ import annotations

from typing import Any

from .catalogue import discovered
from .errors import CatalogueError
from .loaded import registry
from .models import Capability

PLACE = "capabilities.0.price"


def read(row: Capability, rule: Any) -> dict[str, Any]:
    """The rule as pricing wants it. Raises CatalogueError with one line per problem: the field, what is wrong, the remedy."""
    entry = registry.get(row.provider.slug)
    if entry is None or entry.catalogue is None:
        raise CatalogueError(f"price: cannot be checked, {row.provider.name} is not loaded. Repair its folder first.")
    try:
        return dict(discovered(entry.catalogue, [_as_written(row, rule)])[0].price)
    except CatalogueError as error:
        raise CatalogueError(
            "\n".join(_ours(line) for line in str(error).splitlines() if PLACE in line) or str(error)
        ) from None


def _as_written(row: Capability, rule: Any) -> dict[str, Any]:
    """The capability as a catalogue would say it, as far as a price may refer to it."""
    schema = row.spec.get("schema", {})
    roles = [
        {"role": item["role"], "kind": item["kinds"], "min": item["min"], "max": item["max"]}
        for item in row.spec.get("inputs", ())
    ]
    parameters = {name: field for name, field in schema.get("properties", {}).items() if name != "extra"}
    return {
        "model": row.model,
        "operation": row.operation,
        "parameters": parameters,
        "required": schema.get("required", []),
        "inputs": roles,
        "price": rule,
    }


def _ours(line: str) -> str:
    """Without the file and line of a catalogue nobody wrote."""
    return "price" + line.split(PLACE, 1)[1]
