"""JSON bodies: what a database cannot keep (NUL, half a surrogate pair) and what no one nests so deep is malformed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

MOST_DIGITS = 2**63


class Json(JSONParser):
    def parse(
        self, stream: BinaryIO, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            data = super().parse(stream, media_type, parser_context)
            _sound(data)
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        return data


def _sound(value: Any) -> None:
    if isinstance(value, str):
        _text(value)
    elif isinstance(value, int) and abs(value) >= MOST_DIGITS:
        raise ParseError("A whole number in the body has too many digits.")
    elif isinstance(value, list):
        for below in value:
            _sound(below)
    elif isinstance(value, dict):
        for name, below in value.items():
            _text(name)
            _sound(below)


def _text(value: str) -> None:
    if "\x00" in value:
        raise ParseError("Text in the body may not hold NUL characters.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ParseError("Text in the body holds half of a surrogate pair.") from None
