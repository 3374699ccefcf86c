"""Simulated mode: the real adapter over its recorded exchanges. No network; mapping and parsing are exercised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from providers.conformance import cases
from providers.engine import ReplayMismatch
from providers.errors import ProviderError
from providers.http.replay import Replay
from providers.http.wire import Site
from providers.loaded import MOCK, registry
from providers.playing import secrets_of
from providers.types import Done, Handle, Job, Verb

if TYPE_CHECKING:
    from .calling import Line

T = TypeVar("T")
LATER = 4e9  # seconds since 1970: long after anything the mock was asked for
# which recording answers a verb, the first that exists
RECORDINGS = {"submit": ("submit", "succeeded"), "poll": ("succeeded",), "cancel": ("cancel",), "find": ("find",)}


def _place(line: Line) -> Site:
    """Nothing is sent, so the stand-in credentials of the recordings will do; a real one is not even read."""
    return replace(line.site, secrets=secrets_of(line.adapter.catalogue))


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
            f"{slug}.{verb}", make, _place(line), pays_default=verb == "submit"
        )
    except ReplayMismatch as error:
        raise ProviderError(
            "unsupported", f"The recording does not fit this request: {error}", charged=False
        ) from error


def stand_in(kind: str, into: Path) -> Path:
    """The recorded address of a result leads nowhere: a small true file of the same kind is made in its place."""
    maker: Any = registry.entries[MOCK].adapter
    given: dict[str, Any] = {
        "model": "simulated",
        "operation": "",
        "params": {"prompt": "simulated result"},
        "outputs": (kind,),
    }
    made = maker.submit(Job(reference="simulated", scratch=into.parent, mode="mock", **given))
    if isinstance(made, Done):
        output = made.outputs[0]
    else:  # it would take its time; looked at from far enough ahead it is done
        handle = Handle(remote_id=made.remote_id, scratch=into.parent, now=LATER, **given)
        seen = maker.poll(handle).outputs[0]
        output = replace(seen, url=None, file=maker.fetch(handle, seen))
    if output.file is None:
        into.write_text(output.text or "", encoding="utf-8")
        return into
    return output.file.rename(into)
