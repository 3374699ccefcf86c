"""Secrets are removed by value from whatever leaves the door as text: messages, notes, chained exceptions, fixtures."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
SHORTEST = 4  # shorter values are no secrets, and would maim ordinary words


class Redactor:
    """Callable on text; built per verb, compiled only when something must be shown."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = list(secrets)
        self._pattern: re.Pattern[str] | None = None

    def add(self, values: Iterable[str]) -> None:
        self._secrets.extend(values)
        self._pattern = None

    def __call__(self, text: str) -> str:
        if not self._secrets:
            return text
        if self._pattern is None:
            spellings = {form for secret in self._secrets for form in _spellings(secret) if len(form) >= SHORTEST}
            ordered = sorted(spellings, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, ordered)) or r"(?!)")
        return self._pattern.sub(MASK, text)

    def scrub(self, error: BaseException) -> None:
        """Redact an exception and everything chained to it; what cannot be cleaned is cut off."""
        for link in _chain(error):
            link.args = tuple(self.deep(value) for value in link.args)
            for name in ("message", "vendor_code"):
                if isinstance(getattr(link, name, None), str):
                    setattr(link, name, self(getattr(link, name)))
            if hasattr(link, "__notes__"):
                link.__notes__ = [self(note) for note in link.__notes__]
        for link in _chain(error):
            if any(below is not None and self._leaks(below) for below in (link.__cause__, link.__context__)):
                link.__cause__ = link.__context__ = None

    def deep(self, value: Any) -> Any:
        """The same for JSON-like values, bytes and exceptions inside."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, bytes):
            return self(value.decode("utf-8", "replace")).encode()
        if isinstance(value, dict):
            return {self.deep(key): self.deep(below) for key, below in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(map(self.deep, value)) if type(value) in (list, tuple) else self(str(value))
        return value if self(str(value)) == str(value) else self(str(value))

    def _leaks(self, error: BaseException) -> bool:
        text = f"{error!r} {error}"
        return self(text) != text


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is not None and all(link is not other for other in found):
            found.append(link)
            waiting += [link.__cause__, link.__context__]
    return found


def _spellings(secret: str) -> Iterator[str]:
    """A secret as it may turn up: plain, stripped, quoted, escaped, encoded, and each value of a JSON jar."""
    for value in {secret, secret.strip(), *_leaves(secret)}:
        yield from (
            value,
            quote(value, safe=""),
            quote(value),
            quote_plus(value),
            json.dumps(value)[1:-1],
            repr(value)[1:-1],
        )
        yield base64.b64encode(value.encode()).decode() if len(value) >= SHORTEST else ""


def _leaves(secret: str) -> Iterator[str]:
    if secret.lstrip()[:1] not in ("{", "["):
        yield from (pair.partition("=")[2] for pair in secret.split(";") if "=" in pair) if ";" in secret else ()
        return
    try:
        waiting = [json.loads(secret)]
    except ValueError:
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and isinstance(value.get("value"), str):  # a browser's cookie: the rest is public
            yield value["value"]
        elif isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value
        elif isinstance(value, str):
            yield value
