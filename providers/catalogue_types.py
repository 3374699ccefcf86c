"""A catalogue once read: frozen values the core stores, shows and prices by; catalogue.py makes them, rows too.

Everything inside is JSON when written by `to_dict`; money stays text until pricing.py turns it into Decimals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

TRAITS = ("find", "cancel", "callbacks", "discover", "idempotency", "immediate", "public_inputs", "poll_many")
POLLING: dict[str, Any] = {"first": 2, "steps": [2, 3, 5], "ceiling": 15, "deadline": 900}
LIFECYCLE: dict[str, Any] = {
    "status": "available",
    "retires_on": None,
    "replaced_by": None,
    "checked": "",
    "source": "",
}
TIMEOUT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRole:
    """One place for input files. `max` None: as many as the provider takes; `maps_to` is where its address goes."""

    role: str
    kinds: tuple[str, ...]
    min: int = 0
    max: int | None = 1
    mime: tuple[str, ...] = ()
    max_bytes: int | None = None
    label: str = ""
    maps_to: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A verb: what it is called, what goes in by role, what comes out; `kind` is the medium it is filed under."""

    name: str
    label: str
    phrase: str
    kind: str
    inputs: tuple[InputRole, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialField:
    name: str
    label: str
    secret: bool = True
    required: bool = True
    help: str = ""
    env: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditType:
    """What accounts are billed in there; `credits` is how many wallet credits one unit is worth by default."""

    key: str
    label: str
    unit: str = ""
    credits: str = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRule:
    """Their trouble in our code: everything that is given must match. `charged`: money was taken all the same."""

    to: str
    status: int | None = None
    code: str | None = None
    pattern: str | None = None
    charged: bool | None = None

    def row(self) -> dict[str, Any]:
        """As the engine's error table wants it: without what was not given."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """provider × model × operation. Traits, polling and time-out are already merged over the provider's own."""

    model: str
    operation: str
    label: str
    description: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[InputRole, ...] = ()
    outputs: tuple[str, ...] = ()
    price: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    lifecycle: Mapping[str, Any] = field(default_factory=lambda: dict(LIFECYCLE))
    traits: Mapping[str, bool] = field(default_factory=lambda: dict.fromkeys(TRAITS, False))
    polling: Mapping[str, Any] = field(default_factory=lambda: dict(POLLING))
    timeout: float = TIMEOUT
    expected_seconds: float | None = None
    result_lifetime: int | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    endpoints: Mapping[str, Any] = field(default_factory=dict)
    position: int = 0

    def role(self, name: str) -> InputRole | None:
        return next((item for item in self.inputs if item.role == name), None)

    def to_dict(self) -> dict[str, Any]:
        return dict(_plain(asdict(self)))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Capability:
        """From what `to_dict` wrote, perhaps by an older version: names not known here are left behind."""
        known = {item.name for item in fields(cls)} & data.keys()
        roles = tuple(_role(item) for item in data.get("inputs", ()))
        return cls(
            **{**{name: data[name] for name in known}, "inputs": roles, "outputs": tuple(data.get("outputs", ()))}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """One provider's data. `http` and `capture` stay as written: the engine and the extension read them."""

    slug: str
    name: str
    kind: str = "remote"
    description: str = ""
    website: str = ""
    docs: str = ""
    version: str = ""
    author: str = ""
    enabled: bool = True
    checked: str = ""
    domains: tuple[str, ...] = ()
    http: Mapping[str, Any] = field(default_factory=dict)
    credentials: tuple[CredentialField, ...] = ()
    capture: Mapping[str, Any] = field(default_factory=dict)
    credit_types: tuple[CreditType, ...] = ()
    statuses: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[ErrorRule, ...] = ()
    polling: Mapping[str, Any] = field(default_factory=lambda: dict(POLLING))
    concurrency: int | None = None
    rate: Mapping[str, Any] = field(default_factory=dict)
    traits: Mapping[str, bool] = field(default_factory=lambda: dict.fromkeys(TRAITS, False))
    operations: tuple[Operation, ...] = ()
    capabilities: tuple[Capability, ...] = ()

    @property
    def endpoints(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.http.get("endpoints", {})
        return found

    def capability(self, model: str, operation: str) -> Capability | None:
        wanted = (model, operation)
        return next((item for item in self.capabilities if (item.model, item.operation) == wanted), None)

    def to_dict(self) -> dict[str, Any]:
        """All but the capabilities, which have rows of their own."""
        return {name: value for name, value in _plain(asdict(self)).items() if name != "capabilities"}


def _role(data: Mapping[str, Any]) -> InputRole:
    known = {item.name for item in fields(InputRole)} & data.keys()
    tuples = {name: tuple(data[name]) for name in ("kinds", "mime") if name in data}
    return InputRole(**{**{name: data[name] for name in known}, **tuples})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(below) for name, below in value.items()}
    return [_plain(below) for below in value] if isinstance(value, list | tuple) else value
