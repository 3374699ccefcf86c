"""Providers calling back: believed only with the token and the signature, and even then only as `look now`."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import pytest
from django.test import Client
from django.utils import timezone

from generations import lifecycle, orders
from generations.models import Attempt, Event, Generation, Step
from generations.models.generations import State
from providers.adapters.mock.adapter import SIGNATURE
from providers.models import Provider

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt(alice, studio_space):
    """A running film, to be looked at in an hour."""
    order = orders.read({"model": "mock/video", "params": {"prompt": "x"}})
    generation, _ = lifecycle.create(order=order, workspace=studio_space, user=alice)
    Generation.objects.filter(pk=generation.pk).update(status="running")
    Step.objects.filter(pk=generation.pk).update(verb="look", cluster="poll", due_at=time.time() + 3600)
    return Attempt.objects.create(
        generation=generation,
        number=1,
        capability=generation.capability,
        state=State.ACCEPTED,
        remote_id="r-1",
        created_at=timezone.now(),
    )


def call(attempt, body: bytes, *, slug: str = "mock", token: str = "", secret: str = "mock"):
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Client(enforce_csrf_checks=True).post(
        f"/callbacks/{slug}/{token or attempt.callback_token}",
        body,
        content_type="application/json",
        headers={SIGNATURE: signature},
    )


def is_due(attempt) -> bool:
    return Step.objects.get(pk=attempt.generation_id).due_at <= time.time()


def body_of(attempt, monkeypatch) -> bytes:
    """The mock's ids are plans; any will do here."""
    monkeypatch.setattr("providers.adapters.mock.adapter._look", lambda remote_id, now: None)
    return json.dumps({"id": attempt.remote_id}).encode()


def test_a_signed_callback_brings_the_look_forward(attempt, monkeypatch):
    reply = call(attempt, body_of(attempt, monkeypatch))
    assert (reply.status_code, reply.json()) == (200, {"ok": True})
    assert is_due(attempt)
    assert Event.objects.filter(generation=attempt.generation, kind="callback").count() == 1


def test_a_late_one_changes_nothing(attempt, monkeypatch):
    Attempt.objects.filter(pk=attempt.pk).update(state=State.FAILED)
    assert call(attempt, body_of(attempt, monkeypatch)).status_code == 200
    assert not is_due(attempt)


def test_a_forged_one_is_403(attempt, monkeypatch):
    reply = call(attempt, body_of(attempt, monkeypatch), secret="guessed")
    assert (reply.status_code, reply.json()["code"]) == (403, "auth_failed")
    assert not is_due(attempt)


def test_one_about_another_job_is_403(attempt, monkeypatch):
    body_of(attempt, monkeypatch)
    assert call(attempt, b'{"id": "r-2"}').status_code == 403


def test_an_unknown_token_or_another_provider_is_404(attempt):
    Provider.objects.create(slug="acme", name="Acme", kind="remote")
    assert call(attempt, b"{}", token="unguessable-but-wrong").status_code == 404
    assert call(attempt, b"{}", slug="acme").status_code == 404
    assert call(attempt, b"{}", token=attempt.callback_token + "x").status_code == 404


def test_garbage_is_400_and_too_much_is_413(attempt):
    assert call(attempt, b"not json").status_code == 400
    assert call(attempt, b"x" * (2**20 + 1)).status_code == 413


def test_only_posting_is_possible(attempt):
    assert Client().get(f"/callbacks/mock/{attempt.callback_token}").status_code == 405
