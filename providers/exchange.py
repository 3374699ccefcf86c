"""One HTTP exchange as an adapter sees it: the Request it wants made, the Reply it is handed. Imported through `types`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote as _quote

from .errors import ProviderError

T = TypeVar("T")
_MISSING: Any = object()


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
