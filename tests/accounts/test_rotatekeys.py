"""`rotatekeys`: after it the newest key alone reads everything; what no key reads is named and nothing is lost."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts import secrets
from accounts.encryption import KeyLost, decrypt, encrypt
from accounts.management.commands.rotatekeys import encrypted_columns
from accounts.models import Credential, ProviderAccount
from providers.models import Provider

pytestmark = pytest.mark.django_db
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def account(settings: Any) -> ProviderAccount:
    settings.FIELD_KEYS = [OLD]
    account = ProviderAccount.objects.create(provider=Provider.objects.get(slug="mock"), label="one")
    secrets.store(account, "token", "a secret")
    return account


def run() -> str:
    out = StringIO()
    call_command("rotatekeys", stdout=out)
    return out.getvalue()


def test_after_rotating_the_new_key_alone_reads_every_secret(account: ProviderAccount, settings: Any) -> None:
    settings.FIELD_KEYS = [NEW, OLD]
    assert "newest key: 1." in run()
    settings.FIELD_KEYS = [NEW]
    assert secrets.of(account) == {"token": "a secret"}


def test_before_rotating_the_new_key_alone_reads_nothing(account: ProviderAccount, settings: Any) -> None:
    settings.FIELD_KEYS = [NEW]
    with pytest.raises(KeyLost):
        secrets.of(account)


def test_a_secret_no_key_reads_is_named_and_the_others_are_rotated(account: ProviderAccount, settings: Any) -> None:
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    lost = Credential.objects.create(account=account, name="lost", ciphertext=encrypt("gone"))
    settings.FIELD_KEYS = [NEW, OLD]
    with pytest.raises(CommandError, match=rf"accounts\.Credential {lost.pk}"):
        run()
    settings.FIELD_KEYS = [NEW]
    assert decrypt(Credential.objects.get(account=account, name="token").ciphertext) == "a secret"


def test_references_and_empty_columns_are_left_alone(account: ProviderAccount, settings: Any) -> None:
    Credential.objects.update(ciphertext="", reference="env:SOMETHING")
    assert "newest key: 0." in run()
    assert Credential.objects.get().reference == "env:SOMETHING"


def test_every_encrypted_column_is_found() -> None:
    assert (Credential, "ciphertext") in encrypted_columns()
