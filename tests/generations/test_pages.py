"""The pages: who may see them, what they show, and what pressing their buttons does."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from made_pages import done, made

from accounts import keys
from accounts.models import ApiKey
from generations.models import Generation

PAGES = ["/", "/library", "/wallet", "/models", "/settings/keys"]
PROMPT = {"prompt": "a kite over hills"}


def send(client, **body):
    body = {"model": "mock/image", "operation": "text_to_image", "params": PROMPT, **body}
    return client.post("/generations/new", json.dumps(body), content_type="application/json")


@pytest.mark.parametrize("address", PAGES)
def test_a_stranger_is_sent_to_sign_in(client, db, address):
    reply = client.get(address)
    assert (reply.status_code, reply.url.split("?")[0]) == (302, "/auth/login/")


@pytest.mark.parametrize("address", PAGES)
def test_pages_carry_no_inline_script_or_style(alice_client, address):
    reply = alice_client.get(address)
    html = reply.content.decode()
    assert reply.status_code == 200
    assert "unsafe-inline" not in reply.headers["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", html))
    assert not re.search(r"(src|href)=\"(https?:)?//", html)


def test_the_first_visit_offers_three_things(alice_client):
    html = alice_client.get("/").content.decode()
    assert html.count("/?operation=text_to_") >= 3
    assert "Nothing made yet" in html


def test_a_press_of_generate_makes_one_and_answers_its_card(alice_client, studio_space):
    reply = send(alice_client)
    assert reply.status_code == 202
    generation = Generation.objects.get()
    assert (reply.json()["id"], generation.workspace) == (str(generation.pk), studio_space)
    assert f'id="card-{generation.pk}"' in reply.json()["card_html"]
    assert 'data-status="queued"' in reply.json()["card_html"]


def test_the_same_press_sent_twice_is_one_order(alice_client):
    body = json.dumps({"model": "mock/image", "operation": "text_to_image", "params": PROMPT})
    for _ in range(2):
        reply = alice_client.post(
            "/generations/new", body, content_type="application/json", headers={"Idempotency-Key": "k-1"}
        )
        assert reply.status_code == 202
    assert Generation.objects.count() == 1


def test_a_refusal_names_the_field(alice_client):
    reply = send(alice_client, params={"prompt": "x", "count": 99})
    assert (reply.status_code, reply.headers["Content-Type"]) == (422, "application/problem+json")
    assert list(reply.json()["fields"]) == ["params.count"]
    assert reply.json()["request_id"] == reply.headers["X-Request-ID"]


def test_a_plain_form_submits_too(alice_client):
    form = {"model": "mock/image", "operation": "text_to_image", "params.prompt": "by hand", "params.count": "2"}
    assert alice_client.post("/generations/new", form).status_code == 302
    assert Generation.objects.get().params["count"] == 2


def test_a_plain_form_with_a_fault_comes_back_filled(alice_client):
    form = {"model": "mock/image", "operation": "text_to_image", "params.prompt": "by hand", "params.count": "99"}
    reply = alice_client.post("/generations/new", form)
    assert reply.status_code == 422
    assert "by hand" in reply.content.decode()
    assert "data-wrong" in reply.content.decode()
    assert not Generation.objects.exists()


def test_csrf_is_asked_of_scripts(alice, studio_space):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert send(client).status_code == 403


# -- one workspace never sees another ------------------------------------------------------------------------------------
@pytest.mark.parametrize("address", ["/generations/{}", "/generations/{}/card"])
def test_a_generation_of_another_workspace_is_not_found(address, alice, studio_space, bob_client, charlie_client):
    generation = made(alice, studio_space)
    assert bob_client.get(address.format(generation.pk)).status_code == 200
    assert charlie_client.get(address.format(generation.pk)).status_code == 404


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry", "delete"])
def test_verbs_on_another_workspaces_generation_are_not_found(verb, alice, studio_space, charlie_client):
    generation = made(alice, studio_space)
    assert charlie_client.post(f"/generations/{generation.pk}/{verb}").status_code == 404
    generation.refresh_from_db()
    assert generation.status == "queued"


def test_cards_and_feed_show_only_ones_own(alice, studio_space, alice_client, charlie_client):
    generation = made(alice, studio_space)
    address = f"/generations/cards?ids={generation.pk},{uuid.uuid4()},nonsense"
    assert [card["row"]["id"] for card in alice_client.get(address).json()["cards"]] == [str(generation.pk)]
    assert charlie_client.get(address).json()["cards"] == []
    assert str(generation.pk) not in charlie_client.get("/").content.decode()
    assert charlie_client.get(f"/?again={generation.pk}").status_code == 200


def test_files_of_another_workspace_are_not_found(alice, studio_space, alice_client, charlie_client):
    asset = done(alice, studio_space).assets.get()
    assert alice_client.get(f"/library/{asset.pk}").status_code == 302
    assert charlie_client.get(f"/library/{asset.pk}").status_code == 404
    assert str(asset.pk) not in charlie_client.get("/library").content.decode()
    assert (
        str(asset.pk)
        not in charlie_client.get(f"/?operation=image_to_image&role=image&input={asset.pk}").content.decode()
    )


# -- acting -------------------------------------------------------------------------------------------------------------
def test_cancel_answers_the_card_as_it_is_now(alice, studio_space, alice_client):
    generation = made(alice, studio_space)
    reply = alice_client.post(f"/generations/{generation.pk}/cancel", headers={"Accept": "application/json"})
    assert 'data-status="cancelled"' in reply.json()["card_html"]
    assert "Run it again" in reply.json()["card_html"]


def test_pause_and_resume(alice, studio_space, alice_client):
    generation = made(alice, studio_space)
    for verb, status in (("pause", "paused"), ("resume", "queued")):
        assert alice_client.post(f"/generations/{generation.pk}/{verb}").status_code == 302
        generation.refresh_from_db()
        assert generation.status == status


def test_an_act_that_comes_too_late_is_told(alice, studio_space, alice_client):
    generation = done(alice, studio_space)
    reply = alice_client.post(f"/generations/{generation.pk}/cancel", headers={"Accept": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (409, "conflict")
    page = alice_client.post(f"/generations/{generation.pk}/cancel", follow=True)
    assert "already ended" in page.content.decode()


def test_retry_leads_to_the_new_one_and_delete_to_the_studio(alice, studio_space, alice_client):
    generation = done(alice, studio_space)
    again = alice_client.post(f"/generations/{generation.pk}/retry")
    assert again.url == f"/generations/{Generation.objects.get(retry_of=generation).pk}"
    assert alice_client.post(f"/generations/{generation.pk}/delete").url == "/"
    assert alice_client.get(f"/generations/{generation.pk}").status_code == 404


def test_going_back_never_leaves_the_site(alice, studio_space, alice_client):
    generation = made(alice, studio_space)
    reply = alice_client.post(f"/generations/{generation.pk}/pause", {"next": "https://elsewhere.example/"})
    assert reply.url == "/"


# -- composing ----------------------------------------------------------------------------------------------------------
def test_the_composer_is_redrawn_keeping_what_fits(alice_client):
    body = {
        "model": "",
        "operation": "text_to_video",
        "params": {"prompt": "a kite", "aspect_ratio": "9:16", "steps": 3},
    }
    html = alice_client.post("/composer", json.dumps(body), content_type="application/json").content.decode()
    assert 'value="mock/video"' in html
    assert ">a kite</textarea>" in html
    assert re.search(r'value="9:16"[^>]* checked', html)


def test_use_again_fills_the_composer(alice, studio_space, alice_client):
    generation = made(alice, studio_space, params={"prompt": "seventeen kites", "count": 3})
    html = alice_client.get(f"/?again={generation.pk}").content.decode()
    assert ">seventeen kites</textarea>" in html
    assert re.search(r'name="params.count" value="3"[^>]* checked', html)


def test_the_picker_lists_models_with_price(alice_client):
    html = alice_client.get("/composer/models?operation=text_to_image&model=mock/image").content.decode()
    assert re.search(r'data-model="mock/image"[^>]*aria-current="true"', html)
    assert "2.00" in html


# -- the rest -----------------------------------------------------------------------------------------------------------
def test_detail_shows_receipt_and_story(alice, studio_space, alice_client):
    html = alice_client.get(f"/generations/{done(alice, studio_space).pk}").content.decode()
    for words in ("Receipt", "Charged", "2.00", "Waiting in the queue", "a kite over hills", "Attempts"):
        assert words in html


def test_a_failure_says_what_happened_and_what_next(alice, studio_space, alice_client):
    filtered = done(alice, studio_space, params={"prompt": "[[filter]] x"})
    html = alice_client.get(f"/generations/{filtered.pk}/card").content.decode()
    assert "Change the prompt" in html
    assert "Try again" not in html


def test_the_library_finds_by_words_and_kind(alice, studio_space, alice_client):
    done(alice, studio_space)
    assert "a kite" in alice_client.get("/library?q=KITE hills").content.decode()
    assert "Nothing found" in alice_client.get("/library?q=zebra").content.decode()
    assert "Nothing found" in alice_client.get("/library?kind=video").content.decode()


def test_the_wallet_names_what_each_line_was_for(alice, studio_space, alice_client):
    generation = done(alice, studio_space)
    html = alice_client.get("/wallet").content.decode()
    for words in ("Set aside", "Charged", f"/generations/{generation.pk}"):
        assert words in html


def test_a_key_is_shown_once_and_can_be_revoked(alice_client):
    html = alice_client.post("/settings/keys", {"name": "Nightly", "scopes": ["read"]}).content.decode()
    secret = re.search(r"mg_\w+_\w+", html)[0]
    assert keys.find(secret).scopes == ["read"]
    assert secret not in alice_client.get("/settings/keys").content.decode()
    alice_client.post(f"/settings/keys/{ApiKey.objects.get().pk}/revoke")
    assert keys.find(secret) is None


def test_nobody_revokes_the_key_of_another_workspace(alice_client, charlie_client):
    alice_client.post("/settings/keys", {"name": "Nightly", "scopes": ["read"]})
    assert charlie_client.post(f"/settings/keys/{ApiKey.objects.get().pk}/revoke").status_code == 404


def test_a_key_without_a_name_is_refused_beside_the_field(alice_client):
    reply = alice_client.post("/settings/keys", {"name": " ", "scopes": ["read"]})
    assert (reply.status_code, "1 to 80 characters" in reply.content.decode()) == (422, True)


def test_the_workspace_is_switched_only_to_ones_own(alice, studio_space, alice_client, charlie_client):
    alice_client.post("/workspace", {"slug": alice.personal_workspace.slug})
    assert alice_client.get("/").context["workspace"] == alice.personal_workspace
    charlie_client.post("/workspace", {"slug": studio_space.slug})
    assert charlie_client.get("/").context["workspace"] != studio_space


def test_the_theme_is_a_cookie_the_page_wears(alice_client):
    alice_client.post("/theme", {"theme": "paper"})
    assert 'data-theme="paper"' in alice_client.get("/").content.decode()
    alice_client.post("/theme", {"theme": "neon"})
    assert 'data-theme="system"' in alice_client.get("/").content.decode()


def test_a_link_signs_in_once(client, alice):
    link = keys.signin_link(alice)
    assert client.get(link).url == "/"
    assert client.get("/").status_code == 200
    client.logout()
    assert client.get(link).status_code == 410


def test_signing_up_is_closed_unless_opened(client, db, settings):
    assert "By invitation" in client.get("/auth/signup/").content.decode()
    settings.ADMINS_OPEN_SIGNUP = True
    assert "<form" in client.get("/auth/signup/").content.decode()


def test_the_feed_asks_no_more_for_more_cards(alice, studio_space, alice_client, django_assert_max_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries():
        with CaptureQueriesContext(
            connection,
        ) as seen:
            alice_client.get("/generations/feed")
        return len(seen)

    done(alice, studio_space)
    few = queries()
    for _ in range(4):
        done(alice, studio_space)
    assert queries() == few


def test_pages_of_the_feed_meet_without_gap_or_overlap(alice, studio_space, alice_client, monkeypatch):
    from generations.views import paging

    for _ in range(5):
        made(alice, studio_space)
    monkeypatch.setattr(paging.newest_first, "__kwdefaults__", {"size": 2})
    seen, address = [], "/generations/feed"
    while address:
        html = alice_client.get(address).content.decode()
        seen += re.findall(r'id="card-([0-9a-f-]+)"', html)
        found = re.search(r'hx-get="([^"]+)"', html)
        address = found[1] if found else ""
    assert seen == [str(pk) for pk in Generation.objects.order_by("-created_at", "-pk").values_list("pk", flat=True)]
