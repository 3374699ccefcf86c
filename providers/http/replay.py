"""Recorded exchanges: played back by the strictest driver (nothing is sent, nothing is left over), and written down.

An exchange of a fixture: {"request": {"method", "path", "json"?}, "reply": {"status", "headers"?, "json" | "text" |
"base64"}}, or {"fails": {"kind": "timeout", "sent": true}} instead of a reply. `path` is relative to the base address
and without credentials; `*` in it stands for one segment or value, "*" in its json for any value.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..engine import Driving, ReplayMismatch, drive, run_verb
from ..errors import TransportError
from ..types import Reply, Verb
from .redaction import Redactor
from .sink import Sink
from .trip import Trip
from .wire import Site, Wire

T = TypeVar("T")
KEPT_HEADERS = ("content-type", "retry-after", "location", "content-encoding")
PLAYED_BYTES = 1 << 16


class Replay:
    """`ordered`: exchanges must come exactly in the order recorded; else the first unused one that fits is taken.

    `check_json=False` for simulated runs, where a person's own prompt meets recorded answers.
    """

    def __init__(
        self,
        exchanges: Iterable[Mapping[str, Any]],
        *,
        ordered: bool = False,
        check_json: bool = True,
        now: Callable[[], float] = lambda: 1_700_000_000.0,
        nonce: Callable[[], str] = lambda: "0" * 32,
        sleep: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._left = list(exchanges)
        self._ordered, self._check_json = ordered, check_json
        self._now, self._nonce, self._sleep = now, nonce, sleep

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
        return drive(steps, self._send, self._sleep)

    def close(self) -> None:
        """Raises ReplayMismatch when something recorded was never asked for (a forgotten `yield`?)."""
        if self._left:
            names = ", ".join(_name(exchange["request"]) for exchange in self._left)
            raise ReplayMismatch(f"Recorded but never asked for: {names}.")

    def _send(self, wire: Wire) -> Reply:
        exchange = self._taken(wire)
        if "fails" in exchange:
            raise _failure(exchange["fails"])
        recorded = exchange["reply"]
        sink = Sink(wire, recorded["status"], _headers(recorded))
        try:
            body = _body(recorded)
            for at in range(0, len(body), PLAYED_BYTES):
                if sink.feed(body[at : at + PLAYED_BYTES]):
                    break
            return sink.close()
        finally:
            sink.abandon()

    def _taken(self, wire: Wire) -> Mapping[str, Any]:
        for place, exchange in enumerate(self._left[:1] if self._ordered else self._left):
            if self._fits(exchange["request"], wire):
                return self._left.pop(place)
        left = ", ".join(_name(exchange["request"]) for exchange in self._left) or "nothing"
        asked = f"{wire.method} {wire.path} {json.dumps(wire.json)[:300] if wire.json is not None else ''}".strip()
        raise ReplayMismatch(f"{asked} was not recorded; left: {left}.")

    def _fits(self, recorded: Mapping[str, Any], wire: Wire) -> bool:
        pattern = r"[^/?&]+".join(map(re.escape, recorded["path"].split("*")))
        same = recorded["method"] == wire.method and re.fullmatch(pattern, wire.path) is not None
        return same and (not self._check_json or "json" not in recorded or _same(recorded["json"], wire.json))


class Recorder:
    """Give it to a driver as `record=`; `exchanges` and `save` hold what Replay plays, without secrets.

    A streamed file is recorded too: record with small results.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._redact = Redactor(secrets)
        self._kept: dict[int, tuple[Wire, Sink | TransportError]] = {}

    def keep(self, wire: Wire, outcome: Sink | TransportError) -> None:
        """Called when an answer begins, with the sink that will hold it, and again when it fails."""
        self._kept[id(wire)] = (wire, outcome)

    @property
    def exchanges(self) -> list[dict[str, Any]]:
        rows = [{"request": _asked(wire), **_outcome(outcome)} for wire, outcome in self._kept.values()]
        return [self._redact.deep(row) for row in rows]

    def save(self, path: Path, **facts: Any) -> None:
        path.write_text(json.dumps({**facts, "exchanges": self.exchanges}, indent=2, ensure_ascii=False) + "\n")


def _asked(wire: Wire) -> dict[str, Any]:
    asked = {"method": wire.method, "path": wire.path}
    return asked if wire.json is None else {**asked, "json": wire.json}


def _outcome(outcome: Sink | TransportError) -> dict[str, Any]:
    if isinstance(outcome, TransportError):
        return {"fails": {"kind": outcome.kind, "sent": outcome.sent, "message": str(outcome)}}
    headers = {name: value for name, value in outcome.headers.items() if name in KEPT_HEADERS}
    return {"reply": {"status": outcome.status, "headers": headers, **_recorded(bytes(outcome.raw))}}


def _name(request: Mapping[str, Any]) -> str:
    return f"{request['method']} {request['path']}"


def _failure(fails: Mapping[str, Any]) -> TransportError:
    """In the words the other drivers use."""
    if "message" not in fails and fails["kind"] in ("timeout", "connection", "cut", "tls"):
        trip = Trip("", "", 0.0, 0.0, sent=fails["sent"], answered=fails["kind"] == "cut")
        return trip.failure(timed_out=fails["kind"] == "timeout", tls=fails["kind"] == "tls")
    return TransportError(fails["kind"], fails.get("message", "it failed"), sent=fails["sent"])


def _headers(recorded: Mapping[str, Any]) -> dict[str, str]:
    default = {"content-type": "application/json"} if "json" in recorded else {}
    return {**default, **{name.lower(): value for name, value in recorded.get("headers", {}).items()}}


def _body(recorded: Mapping[str, Any]) -> bytes:
    if "json" in recorded:
        return json.dumps(recorded["json"]).encode()
    return base64.b64decode(recorded["base64"]) if "base64" in recorded else recorded.get("text", "").encode()


def _recorded(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}
    try:
        return {"json": json.loads(text)}
    except ValueError:
        return {"text": text} if text else {}


def _same(recorded: Any, sent: Any) -> bool:
    if recorded == "*":
        return True
    if isinstance(recorded, Mapping) and isinstance(sent, Mapping):
        return recorded.keys() == sent.keys() and all(_same(recorded[name], sent[name]) for name in recorded)
    if isinstance(recorded, Sequence) and isinstance(sent, Sequence) and not isinstance(recorded, str):
        return len(recorded) == len(sent) and all(map(_same, recorded, sent))
    return bool(recorded == sent)
