"""Simulated mode: the real adapter over its recorded exchanges. No network; mapping and parsing are exercised."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from providers.conformance import cases
from providers.engine import ReplayMismatch
from providers.errors import ProviderError
from providers.http.replay import Replay
from providers.loaded import registry
from providers.types import Verb

if TYPE_CHECKING:
    from .calling import Line

T = TypeVar("T")
# which recording answers a verb, the first that exists
RECORDINGS = {"submit": ("submit", "succeeded"), "poll": ("succeeded",), "cancel": ("cancel",), "find": ("find",)}


def run(line: Line, verb: str, make: Callable[[], Verb[T]]) -> T:
    slug = line.adapter.catalogue.slug
    entry = registry.get(slug)
    recorded = {case.name: case.data for case in (cases(entry) if entry else ()) if case.data["verb"] == verb}
    found = next((recorded[name] for name in RECORDINGS.get(verb, ()) if name in recorded), None)
    if found is None:
        raise ProviderError(
            "unsupported",
            f"{line.adapter.catalogue.name} has no recording of {verb} to simulate it with.",
            charged=False,
        )
    try:
        return Replay(found["exchanges"], check_json=False).call(
            f"{slug}.{verb}", make, line.site, pays_default=verb == "submit"
        )
    except ReplayMismatch as error:
        raise ProviderError(
            "unsupported", f"The recording does not fit this request: {error}", charged=False
        ) from error
