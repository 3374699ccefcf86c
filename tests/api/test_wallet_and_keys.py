"""The wallet, its ledger, and keys made and revoked through the interface."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import ledger
from accounts.models import ApiKey

pytestmark = pytest.mark.django_db
KEYS = "/api/v1/api-keys"


@pytest.fixture
def client(api, alice, studio_space):
    return api(alice, ("read", "submit", "admin"))


def test_the_ledger_lists_every_line_newest_first(client, studio_space):
    pool, job = ledger.wallet(studio_space), uuid.uuid4()
    ledger.hold(pool, amount=5_000_000, key="hold:x", reference=job)
    page = client.get("/api/v1/ledger").json()
    assert [row["kind"] for row in page["data"]] == ["hold", "grant"]
    assert page["data"][0] == {
        "id": page["data"][0]["id"],
        "object": "entry",
        "kind": "hold",
        "amount": "0.000000",
        "held_change": "5.000000",
        "balance_after": "1000.000000",
        "held_after": "5.000000",
        "reference": str(job),
        "note": "",
        "created_at": page["data"][0]["created_at"],
    }
    assert [row["kind"] for row in client.get("/api/v1/ledger?kind=grant").json()["data"]] == ["grant"]
    assert len(client.get(f"/api/v1/ledger?reference={job}").json()["data"]) == 1
    assert client.get("/api/v1/ledger?reference=x").status_code == 422
    assert client.get("/api/v1/ledger?kind=theft").status_code == 422


def test_a_new_keys_secret_is_shown_once_and_works(client):
    made = client.post(KEYS, {"name": "robot", "scopes": ["read"], "budget": "12.5", "rate_per_minute": 30})
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    row = made.json()
    secret = row.pop("secret")
    assert secret.startswith(row["prefix"] + "_")
    assert (row["name"], row["scopes"], row["budget"], row["rate_per_minute"]) == ("robot", ["read"], "12.500000", 30)
    assert client.get(f"{KEYS}/{row['id']}").json() == row
    assert secret not in client.get(KEYS).content.decode()
    assert secret.rpartition("_")[2] not in str(ApiKey.objects.values())
    assert Client().get("/api/v1/wallet", headers={"Authorization": f"Bearer {secret}"}).status_code == 200


def test_a_revoked_key_is_gone_from_the_list_and_refused(client):
    row = client.post(KEYS, {"name": "robot"}).json()
    assert row["scopes"] == ["read", "submit"]
    assert client.delete(f"{KEYS}/{row['id']}").status_code == 204
    assert client.delete(f"{KEYS}/{row['id']}").status_code == 404
    assert row["id"] not in [one["id"] for one in client.get(KEYS).json()["data"]]
    assert Client().get("/api/v1/wallet", headers={"Authorization": f"Bearer {row['secret']}"}).status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x", "scopes": ["fly"]}, "scopes"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": "read"}, "scopes"),
        ({"name": "x", "expires_at": "soon"}, "expires_at"),
        ({"name": "x", "expires_at": (timezone.now() - timedelta(days=1)).isoformat()}, "expires_at"),
        ({"name": "x", "budget": "-1"}, "budget"),
        ({"name": "x", "budget": 5}, "budget"),
        ({"name": "x", "rate_per_minute": 0}, "rate_per_minute"),
        ({"name": "x", "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_of_a_key_is_refused_by_name(client, body, field):
    reply = client.post(KEYS, body)
    assert reply.status_code == 422, reply.content
    assert list(reply.json()["fields"]) == [field]


def test_an_expiry_is_kept(client):
    until = timezone.now() + timedelta(days=3)
    row = client.post(KEYS, {"name": "x", "expires_at": until.isoformat()}).json()
    assert row["expires_at"] == until.isoformat().replace("+00:00", "Z")


def test_a_key_from_the_command_line_may_have_limits(alice, capsys):
    from django.core.management import call_command

    from accounts.models import ApiKey

    call_command("apikey", "create", "--user", "alice", "--rate", "30", "--days", "2", "--budget", "12.5")
    key = ApiKey.objects.get()
    assert (key.rate_per_minute, key.budget_micros) == (30, 12_500_000)
    assert key.is_live and key.expires_at is not None
    assert capsys.readouterr().out.startswith("mg_")


@pytest.mark.parametrize("option", [("--rate", "0"), ("--days", "soon"), ("--budget", "much")])
def test_a_limit_that_is_none_is_refused_by_name(alice, option):
    from django.core.management import CommandError, call_command

    with pytest.raises(CommandError, match=option[0].strip("-")):
        call_command("apikey", "create", "--user", "alice", *option)
