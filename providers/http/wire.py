"""What the engine and the drivers exchange: a site's facts, one prepared request, a pause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..types import Event
from .upload import Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """All the engine needs to know of the place it calls, for one account.

    `hosts`: other hosts (https) that may see credentials. `guarded`: the base address was not written by us.
    `timeout` bounds an ordinary exchange as a whole and a streamed one between two bytes; `total` a streamed one.
    `code_at`/`message_at`: where this provider puts its error code and text, tried before the usual places.
    """

    name: str
    base_url: str = ""
    auth: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    errors: Sequence[Mapping[str, Any]] = ()
    hosts: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    api_version: str = ""
    timeout: float = 60.0
    total: float = 900.0
    retries: int = 2
    backoff: float = 0.5
    longest_wait: float = 20.0
    guarded: bool = False
    code_at: Sequence[str] = ()
    message_at: Sequence[str] = ()
    scratch: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One request, ready to send as it is. `path` is the address without credentials, fit for logs and fixtures.

    `fresh`: never on a kept-alive connection. `guarded`: the address must be public. `total`: the whole exchange.
    """

    method: str
    url: str = field(repr=False)
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | Upload | None = field(default=None, repr=False)
    json: Any = field(default=None, repr=False)
    timeout: float = 60.0
    total: float = 60.0
    pays: bool = False
    fresh: bool = False
    guarded: bool = False
    into: Path | None = None
    max_bytes: int | None = None
    spill: bool = False
    scratch: Path | None = None
    on_event: Callable[[Event], bool] | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float
