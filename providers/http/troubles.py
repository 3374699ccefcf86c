"""What an answer that is not good means: the provider's own table first, then one table for everyone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from ..errors import CODES, AuthorError, ProviderError, TransportError
from ..types import Reply, dig
from .wire import Site

LOST = "unknown_outcome"
# status -> (code, code when the request pays). A paying request is lost when the provider may have begun the work.
STATUSES: dict[int, tuple[str, str]] = {
    400: ("invalid_input", "invalid_input"),
    401: ("auth_failed", "auth_failed"),
    402: ("out_of_credits", "out_of_credits"),
    403: ("auth_failed", "auth_failed"),
    404: ("remote_not_found", "model_gone"),
    405: ("unsupported", "unsupported"),
    408: ("unavailable", LOST),
    409: ("busy", "invalid_input"),
    410: ("remote_not_found", "model_gone"),
    413: ("input_unusable", "input_unusable"),
    415: ("input_unusable", "input_unusable"),
    422: ("invalid_input", "invalid_input"),
    423: ("busy", "busy"),
    425: ("busy", "busy"),
    429: ("rate_limited", "rate_limited"),
    451: ("content_rejected", "content_rejected"),
    501: ("unsupported", "unsupported"),
    503: ("unavailable", "unavailable"),
    521: ("unavailable", "unavailable"),
    523: ("unavailable", "unavailable"),
    529: ("busy", "busy"),
}
CLASSES = {
    2: ("bad_reply", LOST),
    3: ("bad_reply", "bad_reply"),
    4: ("invalid_input", "invalid_input"),
    5: ("unavailable", LOST),
}
# kind of transport error -> code when nothing is lost
KINDS = {
    "timeout": "unavailable",
    "connection": "unavailable",
    "tls": "unavailable",
    "held": "unavailable",
    "cut": "unavailable",
    "guard": "bad_reply",
    "too_large": "bad_reply",
}
CODE_AT = ("error.code", "error.type", "code", "error_code", "errorCode", "type", "error.status", "status_code")
MESSAGE_AT = (
    "error.message",
    "message",
    "detail",
    "detail.message",
    "detail.*.msg",
    "error.detail",
    "error_description",
    "error",
    "error_message",
    "errors.*.message",
    "errors.0",
    "msg",
    "title",
)
SAYS = {
    "invalid_input": "refused the request",
    "unsupported": "does not offer this",
    "input_unusable": "cannot use an input",
    "content_rejected": "refused the content",
    "auth_failed": "did not accept the credentials",
    "session_expired": "says the session has expired",
    "session_revoked": "says the session was revoked",
    "out_of_credits": "says the account is out of credits",
    "rate_limited": "asks for fewer requests",
    "busy": "is busy",
    "unavailable": "is not available",
    "model_gone": "does not have this model",
    "remote_failed": "failed at the work",
    "remote_not_found": "does not know this job",
    "result_gone": "no longer has the result",
    "bad_reply": "gave an answer we cannot use",
    LOST: "may have begun the work, but the answer was lost",
}


def trouble(reply: Reply, site: Site, *, pays: bool, keyed: bool, gone: tuple[int, ...], now: float) -> ProviderError:
    """The error an unwanted status stands for."""
    code_word, words = vendor_words(reply, site)
    row = first_match(site.errors, reply.status, code_word, words)
    wait = retry_after(reply, now)
    code = row["to"] if row else default_code(reply.status, pays=pays, keyed=keyed, gone=gone, wait=wait)
    what = f": {words}" if words else ""
    return ProviderError(
        code,
        f"{site.name} {SAYS[code]} (HTTP {reply.status}){what}",
        retry_after=wait,
        charged=row.get("charged") if row else None,
        vendor_code=code_word,
        http_status=reply.status,
    )


def default_code(
    status: int, *, pays: bool, keyed: bool = False, gone: tuple[int, ...] = (), wait: float | None = None
) -> str:
    """Exceptions to the table: a lapsed result address, a 503 that names its end, a keyed request already in work."""
    if status in gone:
        return "result_gone"
    if pays and status == 503 and wait is not None:
        return "busy"
    if pays and (status == 303 or (status == 409 and keyed)):
        return LOST
    return STATUSES.get(status, CLASSES.get(status // 100, CLASSES[2]))[pays]


def gone_statuses(*, fetches: bool, own: bool) -> tuple[int, ...]:
    """What an expired result answers: a store refuses a lapsed signature, the provider's own host means its 401."""
    return () if not fetches else (404, 410) if own else (400, 401, 403, 404, 410)


def in_band(reply: Reply, site: Site) -> ProviderError | None:
    """An error inside a 2xx, where the catalogue has a row for exactly that status."""
    rows = [row for row in site.errors if row.get("status") == reply.status and ("code" in row or "pattern" in row)]
    code_word, words = vendor_words(reply, site) if rows else ("", "")
    row = first_match(rows, reply.status, code_word, words)
    if row is None:
        return None
    message = f"{site.name} {SAYS[row['to']]}{f': {words}' if words else ''}"
    return ProviderError(
        row["to"], message, charged=row.get("charged"), vendor_code=code_word, http_status=reply.status
    )


def first_match(
    rows: Iterable[Mapping[str, Any]], status: int | None, code: str, message: str
) -> Mapping[str, Any] | None:
    """The first row of a catalogue's `errors` of which everything it names holds."""
    for row in rows:
        if row["to"] not in CODES:
            raise AuthorError(f"errors: {row['to']!r} is not one of our error codes.")
        if (
            ("status" not in row or row["status"] == status)
            and ("code" not in row or str(row["code"]) == code)
            and ("pattern" not in row or re.search(row["pattern"], message, re.IGNORECASE))
            and ({"status", "code", "pattern"} & set(row))
        ):
            return row
    return None


def from_transport(error: TransportError, site: Site, *, pays: bool) -> ProviderError:
    if pays and error.sent:
        return lost(site, str(error))
    code = KINDS.get(error.kind, "unavailable")
    return ProviderError(code, f"{site.name} {SAYS[code]}: {error}.")


def lost(site: Site, why: str) -> ProviderError:
    return ProviderError(
        LOST, f"{site.name} {SAYS[LOST]}: {why.rstrip('.')}. It is not sent again until this is settled."
    )


def vendor_words(reply: Reply, site: Site) -> tuple[str, str]:
    """(the provider's error code, its message), from the usual places of a JSON body."""
    try:
        data = json.loads(reply.content)
    except ValueError:
        return "", _text_of(reply)
    if isinstance(data, str):
        return "", _short(data)
    return _first(data, [*site.code_at, *CODE_AT]), _short(_first(data, [*site.message_at, *MESSAGE_AT], joined=True))


def _first(data: Any, paths: Sequence[str], *, joined: bool = False) -> str:
    for path in paths:
        found = [
            str(value) for value in dig(data, path) if isinstance(value, (str, int)) and not isinstance(value, bool)
        ]
        if any(found):
            return "; ".join(found) if joined else found[0]
    return ""


def _text_of(reply: Reply) -> str:
    text = reply.content[:2000].decode("utf-8", "replace").strip()
    page = "html" in reply.header("content-type") or text[:1] == "<"
    return "" if not text else "an HTML page" if page else _short(text)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 300 else f"{flat[:299]}…"


def retry_after(reply: Reply, now: float) -> float | None:
    """Seconds from the header's number or date; None when it says nothing usable."""
    value = reply.header("retry-after").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now) if value else None
    except (ValueError, TypeError, OverflowError):
        return None
