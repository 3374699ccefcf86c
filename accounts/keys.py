"""Ways in: API keys `mg_<prefix>_<secret>` and one-time sign-in links. Only SHA-256 digests are kept of either.

The secrets are 256 bits of randomness, so a slow hash would add cost and no safety.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from .errors import field_errors
from .models import ApiKey, SignInLink, Workspace
from .models.keys import SCOPES

LINK_LIFE = timedelta(days=1)
TOUCH_EVERY = timedelta(minutes=1)
_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 43
_NOBODY = "0" * 64


def issue(
    *,
    workspace: Workspace,
    user: Any,
    name: str,
    scopes: Sequence[str] = ("read", "submit"),
    expires_at: datetime | None = None,
    rate_per_minute: int | None = None,
    budget_micros: int | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its secret, which is not to be had again."""
    _check(name=name, scopes=scopes, expires_at=expires_at)
    prefix, secret = _random(10).lower(), _random(_LENGTH)
    key = ApiKey.objects.create(
        workspace=workspace,
        user=user,
        name=name.strip(),
        prefix=prefix,
        digest=_digest(secret),
        scopes=[scope for scope in SCOPES if scope in scopes],
        expires_at=expires_at,
        rate_per_minute=rate_per_minute,
        budget_micros=budget_micros,
    )
    return key, f"mg_{prefix}_{secret}"


def find(secret: str) -> ApiKey | None:
    """The live key this is, of an active person who still belongs to its workspace. Costs the same for any text."""
    mark, prefix, rest = [*secret.split("_", 2), "", "", ""][:3]
    keys = ApiKey.objects.select_related("user", "workspace")
    key = keys.filter(prefix=prefix[:16], user__is_active=True, workspace__memberships__user=F("user")).first()
    genuine = hmac.compare_digest(_digest(rest), key.digest if key else _NOBODY)
    return key if key and genuine and mark == "mg" and key.is_live else None


def touch(key: ApiKey) -> None:
    """Note its use, at most once a minute: a busy key must not write at each call."""
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at < now - TOUCH_EVERY:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - TOUCH_EVERY)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


def revoke(key: ApiKey) -> ApiKey:
    """From now on refused; the row stays for the history of what it did."""
    ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
    key.refresh_from_db(fields=["revoked_at"])
    return key


def signin_link(user: Any) -> str:
    """The path of a fresh link that signs this person in once."""
    token = secrets.token_urlsafe(32)
    SignInLink.objects.create(user=user, digest=_digest(token), expires_at=timezone.now() + LINK_LIFE)
    return f"/signin/{token}"


def redeem(token: str) -> Any | None:
    """The person of a link, used up by this; None when it is unknown, used or too old."""
    now, digest = timezone.now(), _digest(token)
    fresh = SignInLink.objects.filter(digest=digest, used_at__isnull=True, expires_at__gt=now, user__is_active=True)
    if not fresh.update(used_at=now):
        return None
    return SignInLink.objects.select_related("user").get(digest=digest).user


def _check(*, name: str, scopes: Sequence[str], expires_at: datetime | None) -> None:
    wrong: dict[str, list[str]] = {}
    if not name.strip() or len(name.strip()) > 80:
        wrong["name"] = ["Give the key a name of 1 to 80 characters."]
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        wrong["scopes"] = [f"There is no scope {unknown[0]!r}. Choose from: {', '.join(SCOPES)}."]
    elif not scopes:
        wrong["scopes"] = [f"Choose at least one of: {', '.join(SCOPES)}."]
    if expires_at is not None and expires_at <= timezone.now():
        wrong["expires_at"] = ["Must be in the future."]
    if wrong:
        raise field_errors(wrong)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
