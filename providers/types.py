"""What crosses the border between the core and an adapter: frozen values, no behaviour beyond reading JSON.

An adapter is a pure function of these: it gets a Job or a Handle, yields Requests, is handed Replies,
and returns Accepted, Done or Status. Nothing here knows Django, a queue or money.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from .errors import ProviderError
from .exchange import Event as Event
from .exchange import FilePart as FilePart
from .exchange import Reply as Reply
from .exchange import Request as Request
from .exchange import at as at
from .exchange import delete as delete
from .exchange import dig as dig
from .exchange import get as get
from .exchange import post as post
from .exchange import put as put

T = TypeVar("T")

STATES = ("queued", "running", "succeeded", "failed", "filtered", "cancelled")
VERDICTS = ("confirmed", "requested", "too_late", "unsupported")
KINDS = ("image", "video", "audio", "model3d", "text", "data")


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
