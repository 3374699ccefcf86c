"""Health, metrics, the schema and its page."""

from __future__ import annotations

import re
import time
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from generations.models import Pulse

pytestmark = pytest.mark.django_db


def alive() -> None:
    for cluster in ("default", "poll", "io"):
        Pulse.objects.update_or_create(cluster=cluster, defaults={"at": time.time()})


def test_live_asks_nobody(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get("/health/live").json() == {"status": "ok"}


def test_ready_names_each_dependency():
    alive()
    reply = Client().get("/health/ready")
    assert reply.status_code == 200
    assert reply.json()["status"] == "ok"
    assert {name: check["ok"] for name, check in reply.json()["checks"].items()} == {
        "database": True,
        "storage": True,
        "queue": True,
    }
    assert "no-store" in reply.headers["Cache-Control"]


def test_a_silent_cluster_is_named():
    alive()
    Pulse.objects.filter(cluster="io").update(at=time.time() - 300)
    reply = Client().get("/health/ready")
    assert reply.status_code == 503
    assert reply.json()["checks"]["queue"] == {"ok": False, "detail": "no sign of life from: io"}


def test_storage_that_fails_is_named_without_telling_why(monkeypatch):
    alive()

    def broken() -> str:
        raise OSError("/secret/path is read-only")

    monkeypatch.setitem(__import__("mediagen_site.health", fromlist=["CHECKS"]).CHECKS, "storage", broken)
    reply = Client().get("/health/ready")
    assert reply.status_code == 503
    assert reply.json()["checks"]["storage"]["ok"] is False
    assert "secret" not in reply.content.decode()


def test_metrics_are_for_staff(api, alice, staff, staff_client):
    assert Client().get("/metrics").status_code == 401
    assert api(alice, ("admin",)).get("/metrics").status_code == 403
    assert api(staff).get("/metrics").status_code == 403
    assert api(staff, ("admin",)).get("/metrics").status_code == 200
    assert staff_client.get("/metrics").status_code == 200


def test_metrics_count_what_is_in_the_database(api, alice, studio_space, staff_client):
    api(alice).post("/api/v1/generations", {"model": "mock/video", "params": {"prompt": "x"}})
    text = staff_client.get("/metrics").content.decode()
    assert 'mediagen_generations_live{status="queued"} 1.0' in text
    assert "mediagen_wallet_held_credits 20.0" in text
    assert re.search(r'mediagen_steps_late_seconds\{cluster="io"\} \d', text)


def test_the_schema_is_valid_without_a_warning(tmp_path):
    errors = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"), stderr=errors)
    assert errors.getvalue() == ""


def test_the_schema_is_served_and_names_every_way_in_and_refusal():
    schema = Client().get("/api/schema").json()
    assert schema["openapi"].startswith("3.1")
    assert set(schema["components"]["securitySchemes"]) == {"key", "browser"}
    create = schema["paths"]["/api/v1/generations"]["post"]
    assert {"200", "202", "400", "401", "402", "403", "409", "422", "429"} <= set(create["responses"])
    assert "application/problem+json" in create["responses"]["422"]["content"]
    assert not [path for path in schema["paths"] if not path.startswith("/api/v1/")]


def test_the_browsable_page_loads_nothing_from_elsewhere():
    page = Client().get("/api/docs")
    assert page.status_code == 200
    html = page.content.decode()
    assert "<script" in html and "https://" not in html and "//cdn" not in html
    assert not re.search(r"<script[^>]*>\s*[^<\s]", html)  # no inline script: the policy would block it
    policy = page.headers["Content-Security-Policy"]
    assert (
        "script-src 'self';" in policy + ";" and "unsafe-inline" in policy.partition("style-src")[2].partition(";")[0]
    )
    script = Client().get("/api/docs?script=")
    assert script.headers["Content-Type"].startswith("application/javascript")
