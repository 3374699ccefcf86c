"""Every refusal is a problem document that names what is wrong; and who is let in."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts import keys, people
from accounts.models import ApiKey

pytestmark = pytest.mark.django_db
PARTS = {"type", "title", "status", "detail", "code", "fields", "request_id"}


def is_problem(reply, status: int, code: str) -> dict:
    assert reply.status_code == status, reply.content
    assert reply.headers["Content-Type"] == "application/problem+json"
    body = reply.json()
    assert set(body) == PARTS
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == reply.headers["X-Request-ID"]
    return body


@pytest.fixture
def client(api, alice, studio_space):
    return api(alice)


def test_without_a_key_it_is_401_and_says_how(db):
    reply = Client().get("/api/v1/wallet")
    is_problem(reply, 401, "not_authenticated")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer mg_abc_def", "Bearer ", "bearer mg__", "Bearer \xff"])
def test_a_key_that_is_none_is_401(db, header):
    is_problem(Client().get("/api/v1/wallet", headers={"Authorization": header}), 401, "invalid_key")


def test_another_scheme_counts_as_no_key(db):
    is_problem(Client().get("/api/v1/wallet", headers={"Authorization": "Basic eDp5"}), 401, "not_authenticated")


def test_a_key_with_one_wrong_letter_is_401(client):
    wrong = client.secret[:-1] + ("a" if client.secret[-1] != "a" else "b")
    is_problem(Client().get("/api/v1/wallet", headers={"Authorization": f"Bearer {wrong}"}), 401, "invalid_key")


def test_an_expired_a_revoked_and_a_former_members_key_are_401(api, bob, studio_space):
    client = api(bob)
    assert client.get("/api/v1/wallet").status_code == 200
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    is_problem(client.get("/api/v1/wallet"), 401, "invalid_key")
    ApiKey.objects.update(expires_at=None)
    studio_space.memberships.filter(user=bob).delete()
    is_problem(client.get("/api/v1/wallet"), 401, "invalid_key")
    people.add_member(studio_space, bob)
    assert client.get("/api/v1/wallet").status_code == 200
    keys.revoke(client.key)
    is_problem(client.get("/api/v1/wallet"), 401, "invalid_key")


def test_the_key_of_someone_switched_off_is_401(client, alice):
    alice.is_active = False
    alice.save()
    is_problem(client.get("/api/v1/wallet"), 401, "invalid_key")


def test_a_key_without_the_scope_is_403(api, alice, studio_space):
    body = {"model": "mock/image", "params": {"prompt": "x"}}
    is_problem(api(alice, ("read",)).post("/api/v1/generations", body), 403, "scope")
    is_problem(api(alice, ("submit",)).get("/api/v1/wallet"), 403, "scope")
    is_problem(api(alice).get("/api/v1/api-keys"), 403, "scope")
    assert api(alice, ("admin",)).get("/api/v1/api-keys").status_code == 200


def test_the_browser_needs_its_csrf_token_to_change_anything(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/api/v1/wallet").status_code == 200
    body = {"model": "mock/image", "params": {"prompt": "x"}}
    is_problem(client.post("/api/v1/quotes", body, content_type="application/json"), 403, "permission_denied")


def test_the_browser_acts_in_the_workspace_of_its_session(alice, alice_client, studio_space):
    reply = alice_client.post(
        "/api/v1/generations", {"model": "mock/image", "params": {"prompt": "x"}}, content_type="application/json"
    )
    assert reply.status_code == 202
    assert studio_space.generations.count() == 1


def test_an_unknown_address_below_the_api_is_404(client):
    is_problem(client.get("/api/v1/nothing/here"), 404, "not_found")
    is_problem(Client(enforce_csrf_checks=True).post("/api/nothing"), 404, "not_found")
    is_problem(client.get("/api/v1/models/nobody/nothing"), 404, "not_found")


def test_broken_json_is_400(client):
    for body in ("{", '{"model": NaN}', '["a"', b"\xff\xfe"):
        is_problem(
            client.generic("POST", "/api/v1/generations", body, content_type="application/json"), 400, "malformed"
        )
    deep = "[" * 100_000
    is_problem(client.generic("POST", "/api/v1/generations", deep, content_type="application/json"), 400, "malformed")


@pytest.mark.parametrize("text", ['"\\u0000"', '"\\ud800"', "1" + "0" * 30])
def test_what_no_database_can_keep_is_400(client, text):
    body = f'{{"model": "mock/image", "params": {{"prompt": {text}}}}}'
    is_problem(client.generic("POST", "/api/v1/generations", body, content_type="application/json"), 400, "malformed")


def test_a_body_that_is_no_object_is_refused(client):
    is_problem(client.generic("POST", "/api/v1/generations", "[]", content_type="application/json"), 400, "malformed")
    is_problem(client.generic("POST", "/api/v1/assets", "[]", content_type="application/json"), 400, "malformed")


def test_another_media_type_is_415(client):
    is_problem(
        client.generic("POST", "/api/v1/generations", "a=b", content_type="text/csv"), 415, "unsupported_media_type"
    )


def test_another_method_is_405(client):
    reply = client.put("/api/v1/wallet", {})
    is_problem(reply, 405, "method_not_allowed")
    assert "GET" in reply.headers["Allow"]


def test_a_browsers_accept_gets_json_and_not_406(client):
    assert client.get("/api/v1/wallet", headers={"Accept": "text/html"}).json()["unit"] == "credit"


def test_field_errors_are_422_by_name(client):
    body = is_problem(
        client.post("/api/v1/generations", {"model": "mock/image", "params": {"prompt": 7}}), 422, "invalid_fields"
    )
    assert list(body["fields"]) == ["params.prompt"]
    assert body["detail"].startswith("params.prompt: ")


def test_what_nobody_foresaw_is_a_500_that_tells_nothing(client, monkeypatch):
    def broken(*args, **more):
        raise RuntimeError("secret detail")

    monkeypatch.setattr("accounts.api.ledger.wallet", broken)
    client.raise_request_exception = False
    body = is_problem(client.get("/api/v1/wallet"), 500, "internal")
    assert "secret" not in str(body)


def test_too_many_requests_are_429_with_a_time(api, alice, studio_space):
    client = api(alice, rate_per_minute=3)
    with time_machine.travel(1_900_000_020, tick=False):
        assert [client.get("/api/v1/wallet").status_code for _ in range(3)] == [200] * 3
        reply = client.get("/api/v1/wallet")
        is_problem(reply, 429, "rate_limited")
        assert 1 <= int(reply.headers["Retry-After"]) <= 60
        wait = int(reply.headers["Retry-After"])
    with time_machine.travel(1_900_000_020 + wait, tick=False):
        assert client.get("/api/v1/wallet").status_code == 200


def test_the_brake_of_one_key_does_not_slow_another(api, alice, studio_space):
    slow, other = api(alice, rate_per_minute=1), api(alice)
    slow.get("/api/v1/wallet")
    assert slow.get("/api/v1/wallet").status_code == 429
    assert other.get("/api/v1/wallet").status_code == 200


def test_the_use_of_a_key_is_noted_at_most_once_a_minute(client):
    client.get("/api/v1/wallet")
    first = ApiKey.objects.get(pk=client.key.pk).last_used_at
    client.get("/api/v1/wallet")
    assert first is not None
    assert ApiKey.objects.get(pk=client.key.pk).last_used_at == first
    with time_machine.travel(time.time() + 90):
        client.get("/api/v1/wallet")
    assert ApiKey.objects.get(pk=client.key.pk).last_used_at > first
