"""How far one Wire got, told to the connection classes of both libraries: pinned addresses, deadline, sent or not."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import ProviderError, TransportError
from . import guard
from .wire import Wire

CONNECT_TIMEOUT = 10.0
NOT_CONNECTED = "no connection could be made"


@dataclass(slots=True)
class Trip:
    """How far one Wire got; the connection classes of both libraries read and mark it."""

    target: str
    host: str
    deadline: float
    timeout: float
    addresses: tuple[str, ...] = ()  # pinned by the guard; empty: not guarded
    sent: bool = False
    answered: bool = False

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    def failure(self, *, timed_out: bool, tls: bool = False) -> TransportError:
        """The same words in every driver, and none of the library's: those may hold the address with its key."""
        if timed_out:
            return TransportError("timeout", "there was no answer in time", sent=self.sent)
        if tls:
            return TransportError("tls", "its certificate or encryption was not accepted", sent=self.sent)
        if self.answered:
            return TransportError("cut", "the answer broke off", sent=True)
        words = "the connection closed before an answer" if self.sent else NOT_CONNECTED
        return TransportError("connection", words, sent=self.sent)


TRIP: ContextVar[Trip] = ContextVar("trip")


def new_trip(wire: Wire, addresses: tuple[str, ...] = ()) -> Trip:
    parts = urlsplit(wire.url)
    target = wire.url[wire.url.index("/", len(parts.scheme) + 3) :]
    return Trip(target, parts.hostname or "", time.monotonic() + wire.total, wire.timeout, addresses)


def pinned(wire: Wire, private_hosts: guard.PrivateHosts) -> tuple[str, ...]:
    """Where a guarded wire may connect to; () where the address is ours."""
    if not wire.guarded:
        return ()
    try:
        return guard.pin(wire.url, private_hosts)
    except guard.Refused as error:
        raise TransportError("guard", str(error), sent=False) from None
    except guard.Unresolved:
        raise TransportError("connection", NOT_CONNECTED, sent=False) from None


def held_back(error: Exception) -> ProviderError | TransportError:
    """What a `before_send` hook raised: whatever it says, nothing was sent."""
    if isinstance(error, (ProviderError, TransportError)):
        return error
    return TransportError("held", f"it was held back before sending ({type(error).__name__})", sent=False)
