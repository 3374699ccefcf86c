"""A look at the real provider with the key of the environment: who am I, and what is on offer. Nothing here pays."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from typing import Any

from .adapter import BaseAdapter
from .catalogue import discovered
from .catalogue_types import Catalogue
from .errors import AuthorError, CatalogueError, ProviderError
from .http.requests_driver import Threaded
from .http.wire import Site
from .places import site
from .types import AccountFacts

SECONDS = 30.0


def credentials(catalogue: Catalogue) -> tuple[dict[str, str], list[str]]:
    """What the environment holds, and which variables would supply what is missing."""
    held, missing = {}, []
    for field in catalogue.credentials:
        value = next((os.environ[name] for name in field.env if os.environ.get(name)), "")
        if value:
            held[field.name] = value
        elif field.required:
            missing.append(" or ".join(field.env) or field.name)
    return held, missing


def look(
    adapter: BaseAdapter, catalogue: Catalogue, *, private_hosts: Collection[tuple[str, int]] = ()
) -> list[tuple[str, str, str]]:
    """(what, what was seen, what is wrong) of each verb that costs nothing."""
    held, missing = credentials(catalogue)
    if missing:
        return [("credentials", "", f"Set {', '.join(missing)} in the environment.")]
    driver, now, facts = Threaded(private_hosts=private_hosts), time.time(), AccountFacts()
    verbs: dict[str, Callable[[], Any]] = {
        "inspect": lambda: adapter.inspect(facts, held, now),
        "discover": lambda: adapter.discover(facts, held, now),
    }
    place = site(catalogue, held, timeout=SECONDS)
    asked = {name: make for name, make in verbs.items() if adapter.implements(name)}
    return [_ask(driver, name, make, place, catalogue) for name, make in asked.items()]


def _ask(
    driver: Threaded, name: str, make: Callable[[], Any], place: Site, catalogue: Catalogue
) -> tuple[str, str, str]:
    try:
        found = driver.call(f"{catalogue.slug}.{name}", make, place)
        if name == "discover":
            return name, f"{len(discovered(catalogue, found))} models are on offer", ""
        balances = ", ".join(f"{key} {value}" for key, value in found.balances.items())
        seen = "; ".join(filter(None, (found.email or found.external_id, found.plan, balances, found.note)))
        return (
            name,
            seen or "answers",
            "" if found.ok else found.note or "The provider says this login is not in order.",
        )
    except (ProviderError, AuthorError, CatalogueError) as error:
        return name, "", str(error)
