"""Server-sent events as a fold: bytes in, complete events to `on_event`, which says when it has seen enough."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..types import Event

_LINE_END = re.compile(rb"\r\n|\n|\r(?!$)")  # a CR at the very end may be half of a CRLF


class EventFold:
    """Feed it chunks; it returns True as soon as `on_event` does. An event cut off by the end is dropped."""

    def __init__(self, on_event: Callable[[Event], bool]) -> None:
        self._on_event = on_event
        self._rest: list[bytes] = []  # pieces of one unfinished line: joined once, not once per chunk
        self._name = ""
        self._data: list[str] = []
        self._first = True

    def feed(self, chunk: bytes) -> bool:
        if not self._ends_line(chunk):
            self._rest.append(chunk)
            return False
        *lines, rest = _LINE_END.split(b"".join([*self._rest, chunk]))
        self._rest = [rest]
        return any(self._line(line) for line in lines)

    def _ends_line(self, chunk: bytes) -> bool:
        return b"\n" in chunk or b"\r" in chunk or any(part.endswith(b"\r") for part in self._rest[-1:])

    def _line(self, line: bytes) -> bool:
        text = line.decode("utf-8", "replace")
        text, self._first = (text.removeprefix("\ufeff"), False) if self._first else (text, False)
        if not text:
            return self._dispatch()
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        return False

    def _dispatch(self) -> bool:
        event = Event(name=self._name or "message", data="\n".join(self._data))
        ready, self._name, self._data = bool(self._data), "", []
        return ready and bool(self._on_event(event))
