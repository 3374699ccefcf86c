"""A catalogue and an account's secrets as the place the engine calls."""

from __future__ import annotations

from .catalogue_types import Catalogue
from .http.wire import Site


def site(
    catalogue: Catalogue,
    held: dict[str, str],
    *,
    timeout: float,
    total: float = 900.0,
    base_url: str = "",
    api_version: str = "",
    guarded: bool = False,
) -> Site:
    """`base_url` and `api_version` stand above the catalogue's, for a relay; `guarded` when we did not write the address."""
    http = catalogue.http
    return Site(
        name=catalogue.name,
        base_url=base_url or str(http.get("base_url", "")),
        auth=http.get("auth") or (),
        secrets=held,
        errors=[rule.row() for rule in catalogue.errors],
        hosts=tuple(http.get("hosts") or ()),
        headers=http.get("headers") or {},
        api_version=api_version or str(http.get("api_version", "")),
        timeout=timeout,
        total=total,
        guarded=guarded,
        code_at=http.get("code_at") or (),
        message_at=http.get("message_at") or (),
    )
