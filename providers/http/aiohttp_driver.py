"""The event-loop driver: the same Wires through `aiohttp`, its hidden re-send, cookies and quoting off."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import ssl
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ..engine import Driving, Sleep, advance, run_verb
from ..errors import TransportError
from ..types import Reply, Verb
from . import guard
from .replay import Recorder
from .sink import Sink
from .trip import CONNECT_TIMEOUT, TRIP, Trip, held_back, new_trip, pinned
from .upload import Upload
from .wire import Site, Wire

T = TypeVar("T")
LARGE = 1 << 18  # from here on the adapter reads a reply in a thread; also the size of the blocks put on disk
AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class _Resolver(AbstractResolver):
    """Names lead to the addresses the guard pinned, where it did."""

    def __init__(self) -> None:
        self._plain = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        trip = TRIP.get()
        if not trip.addresses:
            return await self._plain.resolve(host, port, family)
        if host.lower().rstrip(".") != trip.host.rstrip("."):
            raise OSError("the guard pinned another host")
        return [_resolved(host, port, address) for address in trip.addresses]

    async def close(self) -> None:
        await self._plain.close()


def _resolved(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)


class _Connector(aiohttp.TCPConnector):
    """Marks the moment a connection is at hand: from there on the request may have been seen."""

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        TRIP.get().sent = True
        return connection


def make_session(*, pooled: bool = True) -> aiohttp.ClientSession:
    """To be made, and closed, on the loop it serves."""
    connector = _Connector(limit=0, force_close=not pooled, resolver=_Resolver(), use_dns_cache=pooled)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        skip_auto_headers=AUTOMATIC,
    )
    session._retry_connection = False  # private, pinned by a test: it sends GET, PUT and DELETE again on its own
    return session


class Async:
    """One per loop: `async with Async() as door`. A session given to it (from `make_session`) stays the caller's."""

    def __init__(
        self,
        session: aiohttp.ClientSession | None = None,
        *,
        private_hosts: guard.PrivateHosts = (),
        before_send: Callable[[Wire], Awaitable[None] | None] | None = None,
        record: Recorder | None = None,
        now: Callable[[], float] = time.time,
        nonce: Callable[[], str] = lambda: uuid.uuid4().hex,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._private, self._before, self._record = private_hosts, before_send, record
        self._now, self._nonce, self._sleep = now, nonce, sleep
        self._alone = make_session(pooled=False)
        self._pooled = session or make_session()
        self._own = [self._alone] if session else [self._alone, self._pooled]

    async def __aenter__(self) -> Async:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        for session in self._own:
            await session.close()

    async def call(
        self,
        label: str,
        verb: Callable[[], Verb[T]],
        site: Site,
        *,
        pays_default: bool = False,
        max_requests: int = 50,
    ) -> T:
        steps: Driving[T] = run_verb(
            label, verb, site, now=self._now, nonce=self._nonce, pays_default=pays_default, max_requests=max_requests
        )
        answer: Any = None
        with contextlib.closing(steps):
            while True:
                ended, value = await _advanced(steps, answer)
                if ended:
                    return cast(T, value)
                answer = await self._do(value)

    async def _do(self, step: Wire | Sleep) -> Reply | Exception | None:
        if isinstance(step, Sleep):
            await self._sleep(step.seconds)
            return None
        try:
            return await self._send(step)
        except Exception as error:
            if self._record and isinstance(error, TransportError):
                self._record.keep(step, error)
            return error

    async def _send(self, wire: Wire) -> Reply:
        await self._ask(wire)
        trip = new_trip(wire, await asyncio.to_thread(pinned, wire, self._private) if wire.guarded else ())
        mark = TRIP.set(trip)
        try:
            return await self._exchange(wire, trip)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            failure = _failure(trip, error)
        finally:
            TRIP.reset(mark)
        raise failure  # out of the except: a library's exception may hold the address with its key

    async def _ask(self, wire: Wire) -> None:
        try:
            waiting = self._before(wire) if self._before else None
            if inspect.isawaitable(waiting):
                await waiting
        except Exception as error:
            raise held_back(error) from None

    async def _exchange(self, wire: Wire, trip: Trip) -> Reply:
        session = self._alone if wire.fresh or wire.guarded else self._pooled
        body = wire.body.stream() if isinstance(wire.body, Upload) else wire.body
        async with session.request(
            wire.method,
            URL(wire.url, encoded=True),
            data=body,
            headers=wire.headers,
            allow_redirects=False,
            timeout=_limits(wire),
        ) as response:
            trip.answered = True
            sink = Sink(wire, response.status, _folded(response.headers.items()), keep_raw=self._record is not None)
            if self._record:
                self._record.keep(wire, sink)
            return await _received(response, sink)


async def _advanced(steps: Driving[T], answer: Any) -> tuple[bool, Any]:
    large = isinstance(answer, Reply) and len(answer.content) >= LARGE
    return await asyncio.to_thread(advance, steps, answer) if large else advance(steps, answer)


async def _received(response: aiohttp.ClientResponse, sink: Sink) -> Reply:
    """Memory is filled on the loop; disk blocks are gathered and written in a thread."""
    try:
        held = bytearray()
        async for chunk in response.content.iter_any():
            held += chunk
            if sink.on_disk and len(held) < LARGE:
                continue
            enough = await asyncio.to_thread(sink.feed, bytes(held)) if sink.on_disk else sink.feed(bytes(held))
            held.clear()
            if enough:
                break
        if held:
            await asyncio.to_thread(sink.feed, bytes(held))
        return await asyncio.to_thread(sink.close) if sink.on_disk else sink.close()
    finally:
        sink.abandon()


def _limits(wire: Wire) -> aiohttp.ClientTimeout:
    connect = min(CONNECT_TIMEOUT, wire.timeout)
    return aiohttp.ClientTimeout(total=wire.total, sock_connect=connect, sock_read=wire.timeout)


def _folded(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    folded: dict[str, str] = {}
    for name, value in headers:
        known = folded.get(name.lower())
        folded[name.lower()] = value if known is None else f"{known}, {value}"
    return folded


def _failure(trip: Trip, error: Exception) -> TransportError:
    return trip.failure(
        timed_out=isinstance(error, asyncio.TimeoutError), tls=isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError))
    )
