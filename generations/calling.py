"""From rows to a provider and back: builds the job or handle an adapter sees, runs a verb in the right mode, logs it.

live: over HTTP. simulated: the same adapter over its recorded fixtures. mock: small true files made here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from django.conf import settings
from django.urls import reverse

from accounts import secrets, sites
from generations.models import Attempt, Generation
from providers import catalogue_types, mapping, rates
from providers.adapter import BaseAdapter
from providers.errors import ProviderError
from providers.http.requests_driver import Threaded
from providers.http.wire import Site, Wire
from providers.loaded import MOCK, registry
from providers.types import AccountFacts, Handle, InputFile, Job, Verb

from . import assets, faults, files, simulating, specs

logger = logging.getLogger("mediagen.provider")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Everything about one attempt that a call needs; secrets live here for the length of the call."""

    attempt: Attempt
    generation: Generation
    spec: catalogue_types.Capability
    adapter: BaseAdapter
    account: AccountFacts
    site: Site
    builtin: bool
    per_minute: float | None

    @property
    def mode(self) -> str:
        return self.generation.mode

    @property
    def rate_key(self) -> str:
        return f"account:{self.account.id}"


def open_line(attempt: Attempt) -> Line:
    generation = attempt.generation
    slug = attempt.capability.provider.slug
    entry = registry.get(MOCK if generation.mode == "mock" else slug)
    if entry is None or entry.adapter is None or entry.catalogue is None:
        raise ProviderError(
            "unavailable", f"The adapter of {attempt.capability.provider.name} is not installed here.", charged=False
        )
    held = secrets.of(attempt.account)
    facts = sites.facts(attempt.account) if attempt.account else AccountFacts()
    return Line(
        attempt=attempt,
        generation=generation,
        spec=specs.of(attempt.capability),
        adapter=entry.adapter,
        account=facts,
        site=sites.site(entry.catalogue, attempt.account, held, timeout=_limit(attempt), total=settings.LONGEST_SUBMIT),
        builtin=entry.catalogue.kind == "builtin",
        per_minute=per_minute(attempt.capability.provider, entry.catalogue),
    )


def per_minute(provider: Any, catalogue: catalogue_types.Catalogue) -> float | None:
    return provider.rate_override or catalogue.rate.get("per_minute")


def _limit(attempt: Attempt) -> float:
    return min(float(specs.of(attempt.capability).timeout), settings.LONGEST_SUBMIT)


@contextmanager
def job(line: Line) -> Iterator[Job]:
    """The job as the adapter sees it, with its input files at hand for as long as the call lasts."""
    with ExitStack() as stack:
        scratch = stack.enter_context(files.scratch())
        inputs = tuple(_inputs(line.generation, stack))
        params = mapping.fill_defaults(line.spec.schema, line.generation.params)
        yield Job(
            reference=str(line.attempt.pk), operation=line.generation.operation, model=line.spec.model, params=params,
            mapped=mapping.map_params(line.spec, line.generation.params, inputs, line.spec.model), extra=params.get("extra") or {},
            inputs=inputs, outputs=line.spec.outputs, account=line.account, secrets=line.site.secrets, callback_url=callback_url(line),
            now=time.time(), created=line.attempt.created_at.timestamp(), mode=line.mode, scratch=scratch,
            facts={"asked_at": line.generation.created_at.timestamp()},
        )  # fmt: skip


def _inputs(generation: Generation, stack: ExitStack) -> Iterator[InputFile]:
    for row in generation.inputs.select_related("asset__blob"):
        asset = row.asset
        yield InputFile(
            role=row.role, kind=asset.kind, mime=asset.mime, bytes=asset.blob.bytes, sha256=asset.blob.sha256, name=asset.name,
            position=row.position, path=stack.enter_context(assets.local_path(asset.blob)), url=assets.signed_url(asset, seconds=24 * 3600),
            width=asset.width, height=asset.height, seconds=asset.seconds,
        )  # fmt: skip


def handle(line: Line, **more: Any) -> Handle:
    """An accepted job, for a look or a cancel; `more` adds inputs and scratch where a fetch computes."""
    return Handle(
        remote_id=line.attempt.remote_id, reference=str(line.attempt.pk), operation=line.generation.operation, model=line.spec.model,
        params=line.generation.params, outputs=line.spec.outputs, memo=line.attempt.memo, account=line.account, secrets=line.site.secrets,
        now=time.time(), created=line.attempt.created_at.timestamp(), mode=line.mode, **more,
    )  # fmt: skip


@contextmanager
def handle_with_files(line: Line) -> Iterator[Handle]:
    with ExitStack() as stack:
        scratch = stack.enter_context(files.scratch())
        yield handle(line, inputs=tuple(_inputs(line.generation, stack)), scratch=scratch)


def callback_url(line: Line) -> str | None:
    """Where the provider may call us back; only with an address seen from outside, and where it does call back."""
    if not settings.APP_URL or not line.spec.traits.get("callbacks"):
        return None
    return settings.APP_URL + reverse(
        "callback", args=[line.attempt.capability.provider.slug, line.attempt.callback_token]
    )


def call(line: Line, verb: str, make: Callable[[], Verb[T]], *, pays: bool = False) -> T:
    """Run one verb in this thread and log it: ids, duration and code; never a body."""
    started = time.monotonic()
    about = {
        "verb": verb,
        "provider": line.attempt.capability.provider.slug,
        "model": line.spec.model,
        "attempt": str(line.attempt.pk),
        "mode": line.mode,
    }
    logger.debug("provider.invoke.start %s", _words(about))
    try:
        result = _run(line, verb, make, pays)
    except ProviderError as error:
        logger.info(
            "provider.invoke.error %s",
            _words({**about, "code": error.code, "took": f"{time.monotonic() - started:.2f}"}),
        )
        raise
    logger.info("provider.invoke.end %s", _words({**about, "took": f"{time.monotonic() - started:.2f}"}))
    return result


def _words(about: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in about.items())


def _run(line: Line, verb: str, make: Callable[[], Verb[T]], pays: bool) -> T:
    if line.builtin:
        return _compute(make, pays)
    if line.mode == "simulated":
        return simulating.run(line, verb, make)
    rates.spend(line.rate_key, per_minute=line.per_minute)
    return _driver().call(f"{line.adapter.catalogue.slug}.{verb}", make, line.site, pays_default=pays)


def _compute(make: Callable[[], Verb[T]], pays: bool) -> T:
    """Made here: there is no line to cut, but the same points to die at."""
    if pays:
        faults.at("before_send")
    result: Any = make()
    if pays:
        faults.at("after_send")
    return result


@lru_cache(maxsize=1)
def _driver() -> Threaded:
    return Threaded(private_hosts=settings.MEDIAGEN_PRIVATE_HOSTS, before_send=_before_send)


def _before_send(wire: Wire) -> None:
    if wire.pays:
        faults.at("before_send")
        faults.soon("after_send")
