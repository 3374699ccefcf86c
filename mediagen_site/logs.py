"""Log lines: each carries its request's id, none carries a secret. JSON by setting LOG_JSON.

Redaction here is the net below the door's own (which removes the values it used): it knows the shapes of secrets.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

from .current import request_id

MASK = "[redacted]"
_NAMES = r"api[_-]?key|access[_-]?token|refresh[_-]?token|id[_-]?token|token|secret|password|passwd|authorization|cookie|signature|sig"
# what a secret looks like -> what to write in its place
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bmg_([a-z0-9]{6,16})_[A-Za-z0-9]{16,}"), rf"mg_\1_{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"(?i)(://)[^/\s:@]+:[^/\s@]+@"), rf"\1{MASK}@"),
    (re.compile(r"(/(?:signin|callbacks/[\w-]+)/)[\w-]{8,}"), rf"\1{MASK}"),
    (
        re.compile(
            rf"(?i)\b((?:[\w-]*[_-])?(?:{_NAMES}))(['\"]?\s*[:=]\s*['\"]?)(?!\[redacted\]|bearer |basic )[^\s'\"&,;}}]{{4,}}"
        ),
        rf"\1\2{MASK}",
    ),
)


def redact(text: str) -> str:
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text


class Redact(logging.Filter):
    """Cleans the message and the traceback before any formatter sees them."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(_message(record)), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True


def _message(record: logging.LogRecord) -> str:
    """A log call whose arguments do not fit must not take the request down."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


class Formatter(logging.Formatter):
    def __init__(self, json: bool = False, **rest: object) -> None:
        super().__init__()
        self.json = json

    def format(self, record: logging.LogRecord) -> str:
        facts = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "request_id": request_id.get(),
        }
        trace = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        if self.json:
            return json.dumps(
                {name: value for name, value in {**facts, "exception": trace}.items() if value}, default=str
            )
        mark = f" [{facts['request_id']}]" if facts["request_id"] else ""
        line = f"{facts['time']} {facts['level']:7} {facts['logger']}{mark} {facts['message']}"
        return f"{line}\n{trace}" if trace else line
