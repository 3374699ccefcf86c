"""The secret fields of an account: encrypted at rest, read at the call, never the server's for a tenant."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import IntegrityError, transaction
from scripted import new_house

from accounts import encryption, secrets, site_accounts
from accounts.models import Credential, ProviderAccount
from providers.models import Provider

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(db, monkeypatch):
    return new_house(monkeypatch)


def test_what_goes_in_comes_out_only_at_the_call(house):
    row = secrets.store(house.account, "api_key", "sk-a-long-secret-9876")
    assert "secret" not in row.ciphertext and row.last4 == "9876"
    assert secrets.of(house.account) == {"api_key": "sk-a-long-secret-9876"}
    assert secrets.of(None) == {}


def test_a_short_secret_shows_nothing_of_itself(house):
    assert secrets.store(house.account, "api_key", "short").last4 == ""


def test_storing_again_replaces_value_and_reference(house):
    secrets.store(house.account, "api_key", "old")
    Credential.objects.update(ciphertext="", reference="env:HOME")
    secrets.store(house.account, "api_key", "new")
    assert secrets.of(house.account) == {"api_key": "new"}
    assert Credential.objects.get().reference == ""


def test_a_site_wide_account_may_refer_to_the_environment_or_a_file(house, monkeypatch, tmp_path):
    monkeypatch.setenv("TEST_KEY", "from the environment")
    (tmp_path / "key").write_text("from a file\n")
    for reference, value in (("env:TEST_KEY", "from the environment"), (f"file:{tmp_path}/key", "from a file")):
        Credential.objects.update(ciphertext="", reference=reference)
        assert secrets.of(house.account) == {"api_key": value}


@pytest.mark.parametrize("reference", ["env:NOBODY_SET_THIS", "file:/nowhere/at/all", "vault:x", "HOME", ""])
def test_a_reference_to_nothing_is_an_empty_value(reference):
    assert secrets.resolve(reference) == ""


def test_a_workspace_s_account_never_reads_the_server_s_secrets(house, monkeypatch):
    monkeypatch.setenv("SERVER_KEY", "not yours")
    ProviderAccount.objects.filter(pk=house.account.pk).update(workspace=house.workspace)
    Credential.objects.update(ciphertext="", reference="env:SERVER_KEY")
    account = ProviderAccount.objects.get(pk=house.account.pk)
    assert secrets.of(account) == {"api_key": ""}
    assert secrets.missing(account) == ["api_key"]


def test_a_credential_is_a_value_or_a_reference(house):
    with pytest.raises(IntegrityError), transaction.atomic():
        Credential.objects.update(reference="env:HOME")


def test_what_is_missing_is_named(house):
    assert secrets.missing(house.account) == []
    Credential.objects.all().delete()
    assert secrets.missing(ProviderAccount.objects.get(pk=house.account.pk)) == ["api_key"]


def test_what_needs_no_secret_misses_none(house):
    provider = Provider.objects.get(slug="scripted")
    provider.catalogue["credentials"] = [{"name": "token", "required": False}]
    provider.save()
    Credential.objects.all().delete()
    assert secrets.missing(ProviderAccount.objects.get(pk=house.account.pk)) == []


# -- keys -------------------------------------------------------------------------------------------------------------
def test_a_new_key_in_front_reads_the_old_and_writes_the_new(house, settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_KEYS = [old]
    stored = encryption.encrypt("value")
    settings.FIELD_KEYS = [new, old]
    assert encryption.decrypt(stored) == "value"
    turned = encryption.rotate(stored)
    settings.FIELD_KEYS = [new]
    assert encryption.decrypt(turned) == "value"
    with pytest.raises(encryption.KeyLost):
        encryption.decrypt(stored)


def test_an_account_whose_key_is_lost_lacks_its_secrets(house, settings):
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    assert secrets.missing(house.account) == ["api_key"]
    with pytest.raises(encryption.KeyLost):
        secrets.of(house.account)


def test_a_key_that_is_none_is_refused_in_words(settings):
    settings.FIELD_KEYS = ["too short"]
    with pytest.raises(ImproperlyConfigured, match="44 characters"):
        encryption.encrypt("x")


def test_ciphertext_cannot_be_searched(house):
    with pytest.raises(FieldError, match="cannot be searched"):
        Credential.objects.filter(ciphertext__contains="x").exists()
    assert Credential.objects.exclude(ciphertext="").exists()


# -- accounts that exist by themselves --------------------------------------------------------------------------------
def by_environment() -> ProviderAccount | None:
    return ProviderAccount.objects.filter(provider__slug="scripted", origin="environment").first()


@pytest.fixture
def named(house):
    provider = Provider.objects.get(slug="scripted")
    provider.catalogue["credentials"] = [{"name": "api_key", "required": True, "env": ["SCRIPTED_KEY", "OTHER_KEY"]}]
    provider.save()
    return house


def test_a_key_in_the_environment_makes_one_site_wide_account(named, monkeypatch):
    site_accounts.ensure()
    assert by_environment() is None
    monkeypatch.setenv("OTHER_KEY", "one")
    for _ in range(2):
        site_accounts.ensure()
    account = by_environment()
    assert account.workspace is None and secrets.of(account) == {"api_key": "one"}
    assert not Credential.objects.get(account=account).ciphertext
    monkeypatch.setenv("SCRIPTED_KEY", "first choice")
    site_accounts.ensure()
    assert secrets.of(by_environment()) == {"api_key": "first choice"}


def test_a_key_that_goes_switches_its_account_off_and_back_on(named, monkeypatch):
    monkeypatch.setenv("SCRIPTED_KEY", "one")
    site_accounts.ensure()
    monkeypatch.delenv("SCRIPTED_KEY")
    site_accounts.ensure()
    assert by_environment().status == "disabled"
    monkeypatch.setenv("SCRIPTED_KEY", "two")
    site_accounts.ensure()
    assert (by_environment().status, by_environment().status_reason) == ("active", "")


def test_what_a_person_switched_off_stays_off(named, monkeypatch):
    monkeypatch.setenv("SCRIPTED_KEY", "one")
    site_accounts.ensure()
    ProviderAccount.objects.filter(origin="environment").update(status="disabled", status_reason="Not now.")
    site_accounts.ensure()
    assert by_environment().status == "disabled"


def test_the_mock_has_an_account_with_a_demo_balance_once(db):
    site_accounts.ensure()
    site_accounts.ensure()
    account = ProviderAccount.objects.get(provider__slug="mock")
    balances = dict(account.pools.values_list("credit_type", "balance"))
    assert balances == {"studio": 100_000 * 10**6, "web": 20_000 * 10**6}
