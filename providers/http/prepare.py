"""From a Request to the exact bytes: the final address, headers and body, the same for every driver."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from ..errors import AuthorError, ProviderError
from ..types import Request
from .auth import Draft
from .guard import PORTS
from .upload import Upload, multipart, piece
from .wire import Site

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NETLOC = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
_UNSENDABLE = re.compile(r"[^\x21-\x7e]+")
_BAD_VALUE = re.compile(r"[^\t\x20-\x7e]")
_FRAMING = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding"}
_DEFAULTS = {"User-Agent": "mediagen/1", "Accept": "*/*"}


def draft(request: Request, site: Site, nonce: Callable[[], str]) -> Draft:
    """Everything but credentials. Raises AuthorError for what the adapter got wrong."""
    url = _address(request, site)
    made = Draft(request.method.upper(), url, label(url, site), dict(_DEFAULTS), None, request.json)
    for name, value in (site.headers if trusted(url, site) else {}).items():
        made.set(name, value)
    made.body, kind = _body(request, nonce)
    if kind:
        made.set("Content-Type", kind)
    for name, value in (request.headers or {}).items():
        if name.lower() in _FRAMING:
            raise AuthorError(f"The header {name} is set by the engine, not by an adapter.")
        made.set(name, value)
    made.headers["Accept-Encoding"] = "identity"
    length = made.body.length if isinstance(made.body, Upload) else len(made.body or b"")
    if length or made.method not in ("GET", "HEAD", "OPTIONS"):
        made.headers["Content-Length"] = str(length)
    return made


def label(url: str, site: Site) -> str:
    """The address as fixtures and notes show it: relative to the base where it is the base's."""
    base = _base(site)
    return url[len(base) :] if base and url.startswith((f"{base}/", f"{base}?")) else url


def origin(url: str) -> tuple[str, str, int]:
    return _origin("/".join(re.split(r"[/?#]", url, maxsplit=3)[:3]))


@lru_cache(maxsize=1024)
def _origin(start: str) -> tuple[str, str, int]:
    """Kept by scheme and host alone: the rest of an address may be a secret."""
    parts = urlsplit(start)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or PORTS.get(parts.scheme, 0)


def at_base(url: str, site: Site) -> bool:
    return bool(site.base_url) and origin(url) == origin(site.base_url)


def trusted(url: str, site: Site) -> bool:
    """May this address see credentials?"""
    scheme, host, _ = origin(url)
    return at_base(url, site) or (scheme == "https" and host in site.hosts)


def redirected(made: Draft, location: str, site: Site) -> Draft:
    """The next hop; on another origin none of the adapter's headers go along, for they may hold a secret too."""
    url = _clean(urljoin(made.url, location))
    near = origin(url) == origin(made.url)
    headers = made.headers if near else {**_DEFAULTS, "Accept-Encoding": "identity"}
    return Draft(made.method, url, label(url, site), dict(headers), None)


def check_headers(made: Draft) -> None:
    for name, value in made.headers.items():
        if not isinstance(value, str) or _BAD_VALUE.search(value) or _UNSENDABLE.search(name):
            raise ProviderError("invalid_input", f"The header {name[:40]!r} holds characters that cannot be sent.")


def _address(request: Request, site: Site) -> str:
    path = request.path.replace("{api_version}", site.api_version)
    if _SCHEME.match(path):
        url = path
    elif not site.base_url:
        raise AuthorError(f"{site.name} has no base address, so {path[:60]!r} must be a whole one.")
    else:
        _refuse_dots(path)
        url = _base(site) + ("" if path[:1] in ("", "/", "?") else "/") + path
    url = _clean(url)
    query = urlencode(request.params or {}, quote_via=quote)
    return url + (("&" if "?" in url else "?") + query if query else "")


def _base(site: Site) -> str:
    return site.base_url.replace("{api_version}", site.api_version).rstrip("/")


def _refuse_dots(path: str) -> None:
    if {".", ".."} & set(path.partition("?")[0].split("/")):
        raise ProviderError("bad_reply", "An id that would leave its place in the address was refused.")


def _clean(url: str) -> str:
    """Only what cannot be sent is quoted: a signed address stays as it was signed. One reading of the host is left."""
    bare = url.partition("#")[0].strip()
    try:
        parts = urlsplit(bare)
        host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
        proper = parts.scheme in PORTS and _NETLOC.fullmatch(host) and parts.port != 0
    except ValueError:  # UnicodeError is one
        proper = None
    if not proper:
        raise ProviderError("bad_reply", f"{bare[:60]!r} is not a proper http or https address.")
    rest = bare[bare.index("//") + 2 + len(parts.netloc) :]
    rest = rest if rest.startswith("/") else f"/{rest}"
    return f"{parts.scheme}://{host}{_UNSENDABLE.sub(lambda found: quote(found[0], safe=''), rest)}"


def _body(request: Request, nonce: Callable[[], str]) -> tuple[bytes | Upload | None, str]:
    given = [name for name in ("json", "form", "body") if getattr(request, name) is not None]
    if len(given) > 1 or (request.files and given not in ([], ["form"])):
        raise AuthorError("A Request takes one of json, form (with files) or body.")
    try:
        if request.files:
            boundary = f"----{nonce()}"
            return multipart(request.form or {}, request.files, boundary), f"multipart/form-data; boundary={boundary}"
        if request.json is not None:
            return _encoded(request.json), "application/json"
        if request.form is not None:
            return urlencode(request.form).encode(), "application/x-www-form-urlencoded"
        if request.body is None or isinstance(request.body, bytes):
            return request.body, "" if request.body is None else "application/octet-stream"
        return Upload((piece(request.body),)), "application/octet-stream"
    except OSError as error:
        raise ProviderError("input_unusable", f"An input file could not be read ({error.strerror}).") from error


def _encoded(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise AuthorError(f"The body is not JSON: {error}.") from error
