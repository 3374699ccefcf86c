"""Capability rows as the catalogue's own values, with the operator's overrides laid over them."""

from __future__ import annotations

from functools import lru_cache

from providers import catalogue_types
from providers.models import Capability


def of(row: Capability) -> catalogue_types.Capability:
    return _read(row.pk, row.spec_hash, repr((row.label_override, row.price_override)), _Held(row))


class _Held:
    """Carries the row past the cache's key: two holders are always equal."""

    def __init__(self, row: Capability) -> None:
        self.row = row

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=4096)
def _read(pk: int, spec_hash: str, overrides: str, held: _Held) -> catalogue_types.Capability:
    return catalogue_types.Capability.from_dict(held.row.effective_spec)
