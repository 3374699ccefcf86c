"""The threaded driver: sends one Wire with `requests`, without its retries, redirects, netrc and cookies."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.exceptions import SSLError as RawSSLError

from ..engine import Driving, drive, run_verb
from ..errors import TransportError
from ..types import Reply, Request, Verb
from . import guard
from .replay import Recorder
from .sink import Sink
from .trip import CONNECT_TIMEOUT, TRIP, Trip, held_back, new_trip, pinned
from .upload import Upload
from .wire import Site, Wire

T = TypeVar("T")
BLOCK = 1 << 16


class _Raw(io.RawIOBase):
    """Reads of one answer, each within what is left of the whole: a server that drips cannot hold a thread."""

    def __init__(self, raw: Any, sock: Any, trip: Trip) -> None:
        self._raw, self._sock, self._trip = raw, sock, trip
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._trip.left
        if left <= 0:
            raise TimeoutError("the whole took too long")
        self._sock.settimeout(min(left, self._trip.timeout))
        count: int | None = self._raw.readinto(buffer)
        self.ended = not count
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Raw(self.fp.detach(), sock, TRIP.get()))

    def begin(self) -> None:
        super().begin()
        if self.fp is not None and self.fp.raw.ended:  # type: ignore[attr-defined]
            raise http.client.RemoteDisconnected("the head broke off")  # the library takes half a head for a whole one


class _Plain(HTTPConnection):
    """Connects to the pinned addresses only, sends the address as it was signed, and marks the first byte sent."""

    response_class = _Response

    def _new_conn(self) -> socket.socket:
        trip, name = TRIP.get(), self._dns_host
        failure: HTTPError | None = None
        for address in trip.addresses:
            try:
                self._dns_host = address
                return super()._new_conn()
            except HTTPError as error:
                failure = error
            finally:
                self._dns_host = name  # TLS checks the name, not the address
        if failure:
            raise failure
        return super()._new_conn()

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        super().putrequest(method, TRIP.get().target, *args, **kwargs)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        TRIP.get().sent = True
        super().send(data)


class _Tls(_Plain, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


def make_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # else netrc replaces our credentials and a proxy goes round the guard
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


class Threaded:
    """Safe to share between threads: each keeps a session of its own. `before_send` may wait or raise ProviderError."""

    def __init__(
        self,
        session_factory: Callable[[], requests.Session] = make_session,
        *,
        private_hosts: guard.PrivateHosts = (),
        before_send: Callable[[Wire], None] | None = None,
        record: Recorder | None = None,
        now: Callable[[], float] = time.time,
        nonce: Callable[[], str] = lambda: uuid.uuid4().hex,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._make, self._private, self._before, self._record = session_factory, private_hosts, before_send, record
        self._now, self._nonce, self._sleep = now, nonce, sleep
        self._kept = threading.local()

    def call(
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
        return drive(steps, self._recorded if self._record else self._send, self._sleep)

    def close(self) -> None:
        """This thread's kept-alive connections."""
        if session := self._kept.__dict__.pop("session", None):
            session.close()

    def _recorded(self, wire: Wire) -> Reply:
        try:
            return self._send(wire)
        except TransportError as error:
            if self._record:
                self._record.keep(wire, error)
            raise

    def _send(self, wire: Wire) -> Reply:
        self._ask(wire)
        trip = new_trip(wire, pinned(wire, self._private))
        alone = wire.fresh or wire.guarded
        session = self._make() if alone else self._session()
        mark = TRIP.set(trip)
        try:
            return self._exchange(session, wire, trip)
        except (requests.RequestException, HTTPError, http.client.HTTPException, OSError) as error:
            failure = _failure(trip, error)
        finally:
            TRIP.reset(mark)
            if alone:
                session.close()
        raise failure  # out of the except: a library's exception may hold the address with its key

    def _ask(self, wire: Wire) -> None:
        try:
            if self._before:
                self._before(wire)
        except Exception as error:
            raise held_back(error) from None

    def _session(self) -> requests.Session:
        if "session" not in self._kept.__dict__:
            self._kept.session = self._make()
        session: requests.Session = self._kept.session
        return session

    def _exchange(self, session: requests.Session, wire: Wire, trip: Trip) -> Reply:
        limits = (min(CONNECT_TIMEOUT, wire.timeout), wire.timeout)
        prepared = _prepared(wire, trip)
        # not session.send: that reads redirects and keeps cookies
        response = session.get_adapter(wire.url).send(prepared, stream=True, timeout=limits, verify=True)
        trip.answered = True
        try:
            sink = Sink(wire, response.status_code, response.headers, keep_raw=self._record is not None)
            if self._record:
                self._record.keep(wire, sink)
            return _received(response.raw, sink)
        finally:
            response.close()


def _prepared(wire: Wire, trip: Trip) -> requests.PreparedRequest:
    prepared = requests.PreparedRequest()
    prepared.prepare_hooks(None)
    prepared.method, prepared.url = wire.method, wire.url
    prepared.headers = CaseInsensitiveDict(wire.headers)
    prepared.body = _timely(wire.body, trip) if isinstance(wire.body, Upload) else wire.body  # type: ignore[assignment]
    return prepared


def _timely(upload: Upload, trip: Trip) -> Iterator[bytes]:
    for block in upload:
        if trip.left <= 0:
            raise TimeoutError("the whole took too long")
        yield block


def _received(raw: Any, sink: Sink) -> Reply:
    try:
        while chunk := raw.read1(BLOCK, decode_content=False):
            if sink.feed(chunk):
                break
        return sink.close()
    finally:
        sink.abandon()


def _failure(trip: Trip, error: Exception) -> TransportError:
    timed_out = isinstance(error, (requests.Timeout, ReadTimeoutError, TimeoutError)) or trip.left <= 0
    return trip.failure(timed_out=timed_out, tls=isinstance(error, (requests.exceptions.SSLError, RawSSLError)))


def download(
    request: Request | str,
    into: Path,
    *,
    site: Site | None = None,
    private_hosts: guard.PrivateHosts = (),
    max_bytes: int | None = None,
    timeout: float = 30.0,
    total_timeout: float = 600.0,
) -> Reply:
    """Stream an address into a file; without a site every hop is guarded and nothing signed. Raises ProviderError."""
    wanted = Request(method="GET", path=request) if isinstance(request, str) else request
    wanted = replace(wanted, into=into, max_bytes=max_bytes or wanted.max_bytes, timeout=wanted.timeout or timeout)
    place = replace(site or Site(name=urlsplit(wanted.path).hostname or "The address"), total=total_timeout)

    def fetch() -> Verb[Reply]:
        return (yield wanted)

    return Threaded(private_hosts=private_hosts).call("http.download", fetch, place)
