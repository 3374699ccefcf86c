"""What crosses the border between the core and an adapter: frozen values, no behaviour beyond reading JSON.

An adapter is a pure function of these: it gets a Job or a Handle, yields Requests, is handed Replies,
and returns Accepted, Done or Status. Nothing here knows Django, a queue or money.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote as _quote

from .errors import ProviderError

T = TypeVar("T")
_MISSING: Any = object()

STATES = ("queued", "running", "succeeded", "failed", "filtered", "cancelled")
VERDICTS = ("confirmed", "requested", "too_late", "unsupported")
KINDS = ("image", "video", "audio", "model3d", "text", "data")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """One file of a multipart request; `source` is a path (streamed) or small bytes."""

    name: str
    source: Path | bytes
    filename: str
    mime: str = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event of a streamed reply."""

    name: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request an adapter wants made. At most one of json, form/files, body.

    `safe`: may be repeated at no cost (None: GET and HEAD are). `pays`: money may move when it arrives
    (None: the last unsafe request of `submit`). `accept`: error statuses handed over instead of raised.
    `into`: stream a 2xx body to this file. `spill`: move long base64 strings of a JSON reply to files.
    `absolute` paths (https://…) get credentials only on the account's own host or hosts the catalogue lists.
    """

    method: str
    path: str
    params: Mapping[str, str] | None = None
    json: Any = None
    form: Mapping[str, str] | None = None
    files: Sequence[FilePart] = ()
    body: Path | bytes | None = None
    headers: Mapping[str, str] | None = None
    safe: bool | None = None
    pays: bool | None = None
    accept: tuple[int, ...] = ()
    into: Path | None = None
    max_bytes: int | None = None
    spill: bool = False
    on_event: Callable[[Event], bool] | None = None
    delay: float = 0
    timeout: float | None = None


def get(path: str, **rest: Any) -> Request:
    return Request(method="GET", path=path, **rest)


def post(path: str, **rest: Any) -> Request:
    return Request(method="POST", path=path, **rest)


def put(path: str, **rest: Any) -> Request:
    return Request(method="PUT", path=path, **rest)


def delete(path: str, **rest: Any) -> Request:
    return Request(method="DELETE", path=path, **rest)


def at(template: str, *segments: str) -> str:
    """A path with each `{}` filled by one quoted segment: ids never change the shape of an address."""
    return template.format(*(_quote(str(segment), safe="") for segment in segments))


def dig(data: Any, path: str) -> list[Any]:
    """Every value at a dotted path; `*` walks a list or an object's values, digits index a list."""
    found = [data]
    for step in path.split(".") if path else []:
        found = [below for value in found for below in _below(value, step)]
    return found


def _below(value: Any, step: str) -> Iterator[Any]:
    if step == "*":
        yield from value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    elif isinstance(value, dict) and step in value:
        yield value[step]
    elif isinstance(value, list) and step.lstrip("-").isdigit() and -len(value) <= int(step) < len(value):
        yield value[int(step)]


class Reply:
    """The answer to one Request: status, headers (case-insensitive by `header`), a body in memory or in `file`."""

    __slots__ = ("_data", "content", "file", "headers", "spilled", "status")

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        file: Path | None = None,
        spilled: Mapping[str, Path] | None = None,
    ) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in (headers or {}).items()}
        self.content = content
        self.file = file
        self.spilled = dict(spilled or {})
        self._data: Any = _MISSING

    def header(self, name: str, default: str = "") -> str:
        return self.headers.get(name.lower(), default)

    @property
    def data(self) -> Any:
        """The body as JSON; anything else is a bad_reply, never a KeyError."""
        if self._data is _MISSING:
            try:
                self._data = json.loads(self.content)
            except ValueError as error:
                raise ProviderError(
                    "bad_reply", f"The provider's answer is not JSON ({_shape(self.content)})."
                ) from error
        return self._data

    def get(self, path: str, default: Any = None) -> Any:
        found = dig(self.data, path)
        return found[0] if found else default

    def all(self, path: str) -> list[Any]:
        return dig(self.data, path)

    def need(self, path: str, kind: type[T]) -> T:
        value = self.get(path, _MISSING)
        if value is _MISSING or not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ProviderError("bad_reply", f"The provider's answer lacks {path} ({kind.__name__}).")
        return value


def _shape(content: bytes) -> str:
    start = content.lstrip()[:15].lower()
    return "empty" if not start else "an HTML page" if start.startswith((b"<!doctype", b"<html")) else "other text"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One input of a job in its role. `path` is a local file to stream; `url` is how the provider may fetch it
    (None without APP_URL); `remote` is what `stage` returned for this account, if anything."""

    role: str
    kind: str
    mime: str
    bytes: int = 0
    sha256: str = ""
    name: str = ""
    position: int = 0
    path: Path | None = None
    url: str | None = None
    remote: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """What an adapter may know of the login it works with; secrets come apart, by name."""

    id: str = ""
    external_id: str = ""
    email: str = ""
    label: str = ""
    plan: str = ""
    base_url: str = ""
    api_version: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    balances: Mapping[str, Decimal | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt at one request. `reference` is ours: stable over repeats of the same attempt, sent where a provider
    takes an idempotency key. `mapped` is the body made from the catalogue's x-maps-to, `extra` already merged."""

    reference: str
    operation: str
    model: str
    params: Mapping[str, Any]
    mapped: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[InputFile, ...] = ()
    outputs: tuple[str, ...] = ()
    account: AccountFacts = field(default_factory=AccountFacts)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    callback_url: str | None = None
    now: float = 0.0
    created: float = 0.0
    deadline: float = 0.0
    mode: str = "live"
    scratch: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def input(self, role: str) -> InputFile | None:
        return next((item for item in self.inputs if item.role == role), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """A job that was accepted: what a look, a fetch or a cancel needs. `memo` is what submit or the last look left."""

    remote_id: str
    reference: str = ""
    operation: str = ""
    model: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    memo: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[InputFile, ...] = ()
    account: AccountFacts = field(default_factory=AccountFacts)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    now: float = 0.0
    created: float = 0.0
    mode: str = "live"
    scratch: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One result: exactly one of url, b64, file or text; `facts` are extra truths about it (mocked, fps …)."""

    kind: str
    url: str | None = None
    b64: str | None = None
    file: Path | None = None
    text: str | None = None
    role: str = "output"
    index: int = 0
    mime: str = ""
    name: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was really used, as the provider reports it; None: it did not say."""

    seconds: Decimal | None = None
    count: int | None = None
    megapixels: Decimal | None = None
    characters: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    cost: Decimal | None = None
    credit_type: str = ""
    charged: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    remote_id: str
    state: str = "queued"
    memo: Mapping[str, Any] = field(default_factory=dict)
    next_in: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    outputs: tuple[Output, ...]
    usage: Usage | None = None
    remote_id: str = ""
    memo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A look's verdict. `progress` 0..1; `error` only with failed or filtered; `memo` replaces the kept one when given."""

    state: str
    progress: float | None = None
    position: int | None = None
    note: str = ""
    outputs: tuple[Output, ...] = ()
    usage: Usage | None = None
    error: ProviderError | None = None
    next_in: float | None = None
    memo: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteLine:
    label: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A price in one of the provider's credit types. `exact` False: the amount is the most it can be."""

    amount: Decimal
    credit_type: str
    lines: tuple[QuoteLine, ...] = ()
    exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a request beyond its schema: the field and what to do about it."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What `inspect` found: identity, health and balances (None: unlimited or not told)."""

    ok: bool
    note: str = ""
    external_id: str = ""
    email: str = ""
    plan: str = ""
    balances: Mapping[str, Decimal | None] = field(default_factory=dict)
    concurrency: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDraft:
    """What `connect` makes of captured browser data."""

    external_id: str = ""
    email: str = ""
    label: str = ""
    plan: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """Fresh credentials, or `needs_person` with the sentence that tells them what to do."""

    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires_at: float | None = None
    needs_person: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """An input uploaded ahead of a submit: the provider's name for it, and until when it lives."""

    remote: str
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """An inbound provider request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    now: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRef:
    kind: str
    url: str = ""
    text: str = ""
    role: str = "source"
    remote_id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


Steps = Generator[Request, Reply, T]
Verb: TypeAlias = Steps[T] | T
