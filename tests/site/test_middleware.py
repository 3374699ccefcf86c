"""What every answer carries: its request id and what its page may load."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db


def policy(reply):
    return {part.split()[0]: part.split()[1:] for part in reply.headers["Content-Security-Policy"].split("; ")}


def test_pages_load_scripts_and_styles_from_here_only(client):
    found = policy(client.get("/auth/login/"))
    assert (found["default-src"], found["script-src"], found["style-src"]) == (["'self'"], ["'self'"], ["'self'"])
    assert (found["frame-ancestors"], found["object-src"], found["form-action"]) == (["'none'"], ["'none'"], ["'self'"])


@pytest.mark.parametrize(
    ("address", "scripts", "styles"),
    [
        ("/admin/", ["'self'", "'unsafe-eval'"], ["'self'", "'unsafe-inline'"]),
        ("/api/docs", ["'self'"], ["'self'", "'unsafe-inline'"]),
    ],
)
def test_only_the_pages_that_need_more_get_more(staff_client, address, scripts, styles):
    found = policy(staff_client.get(address))
    assert (found["script-src"], found["style-src"]) == (scripts, styles)


def test_no_page_may_ask_for_camera_or_place(client):
    allowed = client.get("/auth/login/").headers["Permissions-Policy"]
    assert "camera=()" in allowed
    assert "geolocation=()" in allowed


def test_every_answer_has_an_id_of_its_own(client):
    first, second = (client.get("/auth/login/").headers["X-Request-ID"] for _ in range(2))
    assert first != second


def test_a_proxys_id_is_kept_when_it_is_sane(client):
    kept = client.get("/auth/login/", headers={"X-Request-ID": "from-proxy.0001"})
    assert kept.headers["X-Request-ID"] == "from-proxy.0001"
    replaced = client.get("/auth/login/", headers={"X-Request-ID": "a b\tc"})
    assert replaced.headers["X-Request-ID"] != "a b\tc"
