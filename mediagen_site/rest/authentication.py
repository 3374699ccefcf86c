"""Who calls: an API key as a bearer token, or the browser's session with its CSRF token; and what the key may do."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts import keys
from accounts.errors import Refused
from accounts.models import ApiKey
from accounts.models.keys import SCOPES

# what holding a scope lets a key do
GRANTS: dict[str, frozenset[str]] = {**{scope: frozenset({scope}) for scope in SCOPES}, "admin": frozenset(SCOPES)}


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer mg_…`; the key acts in its own workspace as its own person."""

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        scheme, _, secret = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = keys.find(secret.strip())
        if key is None:
            raise AuthenticationFailed(
                "This API key is unknown, expired or revoked. Make one under Settings, API keys.", code="invalid_key"
            )
        keys.touch(key)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="mediagen"'


class BrowserAuthentication(SessionAuthentication):
    """The signed-in browser; anything that changes needs the CSRF token."""


class HasScope(BasePermission):
    """Signed in; a key must hold the scope the view names for the method (`scopes`), else read or submit."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        if isinstance(request.auth, ApiKey):
            self._check(request.auth, wanted(view, request.method or "GET"))
        return True

    def _check(self, key: ApiKey, scope: str) -> None:
        held = {granted for name in key.scopes for granted in GRANTS.get(name, ())}
        if scope not in held:
            raise Refused(
                "scope",
                f"This key lacks the scope {scope!r}; it holds {', '.join(key.scopes) or 'none'}. Use another key.",
                status=403,
            )


def wanted(view: Any, method: str) -> str:
    named: dict[str, str] = getattr(view, "scopes", {})
    return named.get(method) or ("read" if method in SAFE_METHODS else "submit")
