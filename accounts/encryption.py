"""Secrets at rest: MultiFernet over FIELD_KEYS, newest key first. Nothing outside this file sees a key."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import models


class KeyLost(Exception):
    """A stored secret cannot be read with any of FIELD_KEYS: the account must be connected again."""


@lru_cache(maxsize=1)
def _box() -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in settings.FIELD_KEYS])
    except ValueError as error:
        raise ImproperlyConfigured("FIELD_KEYS must be Fernet keys (44 characters), separated by commas.") from error


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "FIELD_KEYS":
        _box.cache_clear()


setting_changed.connect(_forget)


def encrypt(value: str) -> str:
    return _box().encrypt(value.encode()).decode()


def decrypt(token: str) -> str:
    try:
        return _box().decrypt(token.encode()).decode()
    except InvalidToken:
        raise KeyLost("This secret was stored with a field key that is no longer in FIELD_KEYS.") from None


def rotate(token: str) -> str:
    return _box().rotate(token.encode()).decode()


class EncryptedTextField(models.TextField):
    """Holds ciphertext as it is: code reads it through `decrypt`, so that a secret is never loaded by accident."""

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name not in ("isnull", "exact"):
            raise FieldError("Encrypted columns cannot be searched.")
        return super().get_lookup(lookup_name)
