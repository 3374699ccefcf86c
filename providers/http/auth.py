"""How credentials get onto a request: one small function per kind of rule, chosen by the rule's first known key.

Rules (catalogue `http.auth`, one or a list). `{name}` stands for a secret; `optional: true` drops a rule without one.
  {header: Authorization, value: "Bearer {api_key}"}
  {query: key, value: "{api_key}"}
  {basic: "{user}:{password}"}
  {cookies: jar}  or  {cookies: {session: "{token}"}}
  {jwt: {iss: "{access}", exp: "+1800", nbf: "-5"}, key: "{secret}", header: Authorization, value: "Bearer {jwt}"}
  {hmac: sha256, key: "{secret}", sign: "{method} {path} {timestamp} {nonce}", encoding: hex,
   headers: {X-Sign: "{signature}"}, query: {t: "{timestamp}"}}
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from ..errors import AuthorError, ProviderError
from .upload import Upload

_NAME = re.compile(r"\{(\w+)\}")


@dataclass(slots=True)
class Draft:
    """A request on its way to becoming a Wire; `shown` collects what the rules wrote, for redaction."""

    method: str
    url: str
    path: str
    headers: dict[str, str]
    body: bytes | Upload | None
    json: Any = None
    shown: list[str] = field(default_factory=list)

    def set(self, name: str, value: str) -> None:
        for known in [known for known in self.headers if known.lower() == name.lower()]:
            del self.headers[known]
        self.headers[name] = value

    def add_query(self, values: Mapping[str, str]) -> None:
        pairs = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in values.items())
        if pairs:
            self.url += ("&" if "?" in self.url else "?") + pairs


Rule = Mapping[str, Any]
Values = Mapping[str, str]


def authorise(
    draft: Draft, rules: Rule | Sequence[Rule], secrets: Values, now: float, nonce: Callable[[], str]
) -> None:
    """Apply every rule. Raises auth_failed when a secret a rule needs is missing."""
    for rule in [rules] if isinstance(rules, Mapping) else rules:
        kind = next((kind for kind in KINDS if kind in rule), None)
        if kind is None:
            raise AuthorError(f"The auth rule {dict(rule)!r} is none of: {', '.join(KINDS)}.")
        missing = [name for name in _needed(rule) if not secrets.get(name)]
        if not missing:
            KINDS[kind](draft, rule, {name: value.strip() for name, value in secrets.items()}, now, nonce)
        elif not rule.get("optional"):
            raise ProviderError("auth_failed", f"This account has no {', '.join(missing)}. Add it under Accounts.")


def _needed(rule: Rule) -> list[str]:
    made = {"jwt", "signature", "timestamp", "timestamp_ms", "nonce", "method", "path", "host", "query", "body_sha256"}
    jar = [rule["cookies"]] if isinstance(rule.get("cookies"), str) else []
    return jar + [name for text in _texts(rule) for name in _NAME.findall(text) if name not in made]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for below in value.values():
            yield from _texts(below)


def _fill(template: str, values: Values) -> str:
    return _NAME.sub(lambda found: values[found[1]], template)


def _filled(templates: Mapping[str, str], values: Values) -> dict[str, str]:
    return {name: _fill(template, values) for name, template in templates.items()}


def _header(draft: Draft, rule: Rule, secrets: Values, now: float, nonce: Callable[[], str]) -> None:
    draft.set(rule["header"], _fill(rule["value"], secrets))


def _query(draft: Draft, rule: Rule, secrets: Values, now: float, nonce: Callable[[], str]) -> None:
    draft.add_query({rule["query"]: _fill(rule["value"], secrets)})


def _basic(draft: Draft, rule: Rule, secrets: Values, now: float, nonce: Callable[[], str]) -> None:
    token = base64.b64encode(_fill(rule["basic"], secrets).encode()).decode()
    draft.shown.append(token)
    draft.set("Authorization", f"Basic {token}")


def _cookies(draft: Draft, rule: Rule, secrets: Values, now: float, nonce: Callable[[], str]) -> None:
    jar = rule["cookies"]
    host = urlsplit(draft.url).hostname or ""
    pairs = _filled(jar, secrets) if isinstance(jar, Mapping) else _jar(secrets[jar], host)
    text = pairs if isinstance(pairs, str) else "; ".join(f"{name}={value}" for name, value in pairs.items())
    draft.set("Cookie", "; ".join(filter(None, [draft.headers.get("Cookie", ""), text])))


def _jar(secret: str, host: str) -> str | dict[str, str]:
    """A Cookie header as it is, an object of names, or a browser's list, of which this host's."""
    if secret[:1] not in ("{", "["):
        return secret
    try:
        rows = json.loads(secret)
    except ValueError:
        raise ProviderError("session_expired", "The kept cookies cannot be read. Connect the account again.") from None
    if isinstance(rows, Mapping):
        return {str(name): str(value) for name, value in rows.items()}
    return {row["name"]: row["value"] for row in rows if _for_host(str(row.get("domain") or host).lstrip("."), host)}


def _for_host(domain: str, host: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _jwt(draft: Draft, rule: Rule, secrets: Values, now: float, nonce: Callable[[], str]) -> None:
    claims = {name: _claim(value, secrets, now) for name, value in rule["jwt"].items()}
    signed = ".".join(_b64url(_compact(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    signature = _b64url(hmac.digest(_fill(rule["key"], secrets).encode(), signed.encode(), "sha256"))
    draft.shown += [f"{signed}.{signature}", signature]
    _place(draft, rule, {**secrets, "jwt": f"{signed}.{signature}"})


def _claim(value: Any, secrets: Values, now: float) -> Any:
    """`+1800` and `-5` are moments relative to now."""
    if isinstance(value, str) and re.fullmatch(r"[+-]\d+", value):
        return int(now) + int(value)
    return _fill(value, secrets) if isinstance(value, str) else value


def _hmac(draft: Draft, rule: Rule, secrets: Values, now: float, nonce: Callable[[], str]) -> None:
    parts = urlsplit(draft.url)
    values = {**secrets, "method": draft.method, "path": parts.path, "query": parts.query, "host": parts.netloc}
    values |= {"timestamp": str(int(now)), "timestamp_ms": str(int(now * 1000)), "nonce": nonce()}
    values["body_sha256"] = _body_hash(draft.body) if "{body_sha256}" in "".join(_texts(rule)) else ""
    message = _fill(rule["sign"], values).encode()
    digest = hmac.digest(_fill(rule["key"], secrets).encode(), message, rule["hmac"])
    values["signature"] = _ENCODINGS[rule.get("encoding", "hex")](digest)
    draft.shown.append(values["signature"])
    _place(draft, rule, values)


def _place(draft: Draft, rule: Rule, values: Values) -> None:
    if "header" in rule:
        draft.set(rule["header"], _fill(rule["value"], values))
    for name, value in _filled(rule.get("headers", {}), values).items():
        draft.set(name, value)
    if isinstance(rule.get("query"), Mapping):
        draft.add_query(_filled(rule["query"], values))


def _body_hash(body: bytes | Upload | None) -> str:
    digest = hashlib.sha256()
    for block in body if isinstance(body, Upload) else [body or b""]:
        digest.update(block)
    return digest.hexdigest()


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


_ENCODINGS: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda digest: base64.b64encode(digest).decode(),
    "base64url": _b64url,
}
# In this order: an hmac or jwt rule has a `header` or `query` of its own.
KINDS: dict[str, Callable[[Draft, Rule, Values, float, Callable[[], str]], None]] = {
    "jwt": _jwt,
    "hmac": _hmac,
    "basic": _basic,
    "cookies": _cookies,
    "header": _header,
    "query": _query,
}
