"""Who may reach what, over every address there is: the owner and a team-mate may, a stranger cannot tell it exists.

The table is driven by the URL configuration: an address (or a method of one) without a row fails.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import get_resolver
from django.utils import timezone
from PIL import Image

from accounts import keys, ledger
from accounts.models import ProviderAccount
from generations import assets, feed, lifecycle, orders
from generations.models import Asset, Attempt, Generation
from providers.models import Provider

MARK = "zebrafish"  # in the prompt, the file's name, the key's name and the ledger's note of what is not the stranger's


# -- things to reach ----------------------------------------------------------------------------------------------------
@dataclass
class World:
    """Alice's shared workspace; each maker gives a fresh thing, because a verb may use it up."""

    user: Any
    workspace: Any

    def queued(self) -> Generation:
        order = orders.read({"model": "mock/image", "params": {"prompt": MARK}})
        return lifecycle.create(order=order, workspace=self.workspace, user=self.user)[0]

    def ended(self) -> Generation:
        row = self.queued()
        lifecycle.fail(row, code="remote_failed", message=MARK)
        return row

    def paused(self) -> Generation:
        return lifecycle.pause(self.queued(), by=self.user)

    def unknown(self) -> Generation:
        """Its answer was lost at an account of the workspace's own."""
        row = self.queued()
        account = ProviderAccount.objects.create(
            provider=Provider.objects.get(slug="mock"), workspace=self.workspace, label=uuid.uuid4()
        )
        Generation.objects.filter(pk=row.pk).update(status="submitting", unknown=True)
        Attempt.objects.create(
            generation=row,
            number=1,
            capability=row.capability,
            account=account,
            state="unknown",
            created_at=timezone.now(),
        )
        return row

    def asset(self, kind: str = "image") -> Asset:
        made = assets.upload(picture(), workspace=self.workspace, user=self.user, name=MARK)
        Asset.objects.filter(pk=made.pk).update(kind=kind, thumbnail=made.blob)
        return made

    def key(self) -> Any:
        return keys.issue(workspace=self.workspace, user=self.user, name=MARK)[0]

    def line(self) -> Any:
        return ledger.grant(ledger.wallet(self.workspace), amount=1, key=str(uuid.uuid4()), note=MARK)


def picture() -> SimpleUploadedFile:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(buffer, "PNG")
    return SimpleUploadedFile("x.png", buffer.getvalue(), "image/png")


# -- the table ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Row:
    """`make` gives what the address is about; `fill` puts it into the address. `hides`: a list that must not show the mark."""

    route: str
    method: str = "get"
    make: Callable[[World], Any] | None = None
    fill: Callable[[Any], str] = lambda thing: str(thing.pk)
    path: str = ""
    body: Any = None
    stranger: int = 404
    headers: dict[str, str] = field(default_factory=dict)

    def address(self, thing: Any) -> str:
        return "/" + (self.path or self.route).replace("*", self.fill(thing) if self.make else "")

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


API = "api/v1/"
ONE = API + "generations/<uuid:pk>"
ACT = "^generations/(?P<pk>[0-9a-f-]{36})/(?P<verb>cancel|pause|resume|retry|delete)$"
STREAM = {"Accept": "text/event-stream"}
ORDER = {"model": "mock/image", "params": {"prompt": "x"}}

OBJECTS = [
    Row(ONE, make=World.queued, path=API + "generations/*"),
    Row(ONE, "delete", make=World.ended, path=API + "generations/*"),
    Row(ONE + "/cancel", "post", make=World.queued, path=API + "generations/*/cancel"),
    Row(ONE + "/pause", "post", make=World.queued, path=API + "generations/*/pause"),
    Row(ONE + "/resume", "post", make=World.paused, path=API + "generations/*/resume"),
    Row(ONE + "/retry", "post", make=World.ended, path=API + "generations/*/retry"),
    Row(
        ONE + "/settle",
        "post",
        make=World.unknown,
        path=API + "generations/*/settle",
        body={"verdict": "never_arrived"},
    ),
    Row(ONE + "/events", make=World.queued, path=API + "generations/*/events"),
    Row(ONE + "/events", make=World.ended, path=API + "generations/*/events", headers=STREAM),
    Row(API + "assets/<uuid:pk>", make=World.asset, path=API + "assets/*"),
    Row(API + "assets/<uuid:pk>/content", make=World.asset, path=API + "assets/*/content"),
    Row(API + "assets/<uuid:pk>/thumbnail", make=World.asset, path=API + "assets/*/thumbnail"),
    Row(API + "api-keys/<slug:prefix>", make=World.key, path=API + "api-keys/*", fill=lambda key: key.prefix),
    Row(API + "api-keys/<slug:prefix>", "delete", make=World.key, path=API + "api-keys/*", fill=lambda key: key.prefix),
    Row("generations/<uuid:pk>", make=World.queued, path="generations/*"),
    Row("generations/<uuid:pk>/card", make=World.queued, path="generations/*/card"),
    Row(ACT, "post", make=World.queued, path="generations/*/cancel"),
    Row(ACT, "post", make=World.ended, path="generations/*/retry"),
    Row(ACT, "post", make=World.ended, path="generations/*/delete"),
    Row("library/<uuid:pk>", make=World.asset, path="library/*"),
    Row("library/<uuid:pk>/frame", make=lambda world: world.asset("model3d"), path="library/*/frame"),
    Row("settings/keys/<int:pk>/revoke", "post", make=World.key, path="settings/keys/*/revoke"),
]
LISTS = [
    Row(API + "generations", make=World.queued),
    Row(API + "assets", make=World.asset),
    Row(API + "ledger", make=World.line),
    Row(API + "api-keys", make=World.key),
    Row(API + "events", make=World.queued, headers={**STREAM, "Last-Event-ID": "0"}),
    Row("", make=World.queued),
    Row("generations/feed", make=World.queued),
    Row("generations/cards", make=World.queued, path="generations/cards?ids=*"),
    Row("library", make=World.asset),
    Row("settings/keys", make=World.key),
]
# they say something of the workspace, but show nothing by name; or make something in the caller's own
OWN = [
    Row(API + "wallet"),
    Row(API + "providers"),
    Row(API + "providers/<slug:slug>", path=API + "providers/mock"),
    Row(API + "videos/providers"),
    Row(API + "models"),
    Row(API + "models/<path:model_id>", path=API + "models/mock/image"),
    Row(API + "quotes", "post", body=ORDER),
    Row(API + "generations", "post", body=ORDER),
    Row(API + "assets", "post", body=lambda: {"file": picture()}),
    Row(API + "api-keys", "post", body={"name": "x"}),
    Row(API + "operations"),
    Row(API + "providers/detect", path=API + "providers/detect?url=https://example.org"),
    Row("generations/new", "post", body=lambda: {"model": "mock/image", "params.prompt": "x"}),
    Row("composer", "post", body=lambda: {"model": "mock/image"}),
    Row("composer/models"),
    Row("wallet"),
    Row("models"),
    Row("workspace", "post", body=lambda: {"slug": "studio"}),
]
PUBLIC = {
    "health/live": "a probe has no key; it says nothing but ok",
    "health/ready": "a probe has no key; it says names and yes or no",
    "theme": "light or dark, kept in a cookie",
    "signin/<str:token>": "the token is the proof, once",
    "files/<str:token>": "the signature in the address is the right",
    "callbacks/<slug:provider>/<str:token>": "the token and the vendor's signature are the proof",
    "api/schema": "the same for everyone",
    "api/docs": "the same for everyone",
    "^(?:api|v1|callbacks|health)/": "answers 404 to whatever is none of ours",
}
STAFF = {"metrics": "all workspaces together; tests/site/test_health.py"}
OTHERS_WALLS = ("auth/", "admin/")  # allauth's own pages; the admin lets in staff only


def test_every_address_and_method_has_a_row():
    rows = {(row.route, row.method) for row in (*OBJECTS, *LISTS, *OWN)}
    routes = {route for route, _ in rows}
    found = dict(walk(get_resolver().url_patterns))
    assert [route for route in found if route not in routes | PUBLIC.keys() | STAFF.keys()] == []
    assert [route for route in routes | PUBLIC.keys() | STAFF.keys() if route not in found] == []
    wanted = {(route, method) for route, view in found.items() if route in routes for method in methods(view)}
    assert wanted - rows == set()


def walk(patterns: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if route in OTHERS_WALLS:
            continue
        if hasattr(pattern, "url_patterns"):
            yield from walk(pattern.url_patterns, route)
        else:
            yield route, pattern.callback


def methods(view: Any) -> set[str]:
    """What a class-based view answers; pages' functions are rows by hand."""
    kind = getattr(view, "cls", None)
    return {name for name in ("get", "post", "put", "patch", "delete") if hasattr(kind, name)} if kind else set()


# -- the proof ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def world(alice, studio_space):
    return World(alice, studio_space)


@pytest.fixture(autouse=True)
def _short_streams(monkeypatch):
    monkeypatch.setattr(feed, "LIFE", 0.0)


def ask(client: Any, row: Row, thing: Any) -> Any:
    body = row.body() if callable(row.body) else row.body
    kind = {} if callable(row.body) or row.method == "get" else {"content_type": "application/json"}
    return getattr(client, row.method)(row.address(thing), body, headers=row.headers, **kind)


def text(reply: Any) -> str:
    body = b"".join(reply.streaming_content) if reply.streaming else reply.content
    return body.decode("utf-8", "replace")


@pytest.mark.parametrize("row", OBJECTS, ids=str)
def test_a_thing_is_reached_by_owner_and_team_mate_and_by_no_stranger(
    row, world, alice_client, bob_client, charlie_client
):
    refused = ask(charlie_client, row, thing := row.make(world))
    assert refused.status_code == row.stranger, text(refused)
    assert MARK not in text(refused)
    assert ask(alice_client, row, thing).status_code < 400  # the stranger changed nothing either
    assert ask(bob_client, row, row.make(world)).status_code < 400


@pytest.mark.parametrize("row", LISTS, ids=str)
def test_a_list_shows_it_to_owner_and_team_mate_and_to_no_stranger(
    row, world, alice_client, bob_client, charlie_client
):
    thing = row.make(world)
    for client, shown in ((alice_client, True), (bob_client, True), (charlie_client, False)):
        reply = ask(client, row, thing)
        assert reply.status_code == 200
        assert (MARK in text(reply)) is shown


@pytest.mark.parametrize("row", OWN, ids=str)
def test_everyone_signed_in_may_use_it_and_sees_their_own(row, world, alice_client, charlie_client):
    world.queued(), world.asset(), world.key(), world.line()
    for client in (alice_client, charlie_client):
        assert ask(client, row, None).status_code < 400
    assert MARK not in text(ask(charlie_client, row, None))


@pytest.mark.parametrize("row", [*OBJECTS, *LISTS, *OWN], ids=str)
def test_nobody_is_let_in_without_signing_in(row, world, client):
    reply = ask(client, row, row.make(world) if row.make else None)
    assert reply.status_code == 401 if row.route.startswith(API) else "/auth/login" in reply.headers["Location"]


def test_a_strangers_file_is_no_input_and_no_draft(world, charlie_client):
    thing = world.asset()
    body = {
        "model": "mock/video",
        "params": {"prompt": "x"},
        "inputs": [{"role": "first_frame", "asset": str(thing.pk)}],
    }
    for path in ("quotes", "generations"):
        reply = charlie_client.post(f"/api/v1/{path}", body, content_type="application/json")
        assert (reply.status_code, list(reply.json()["fields"])) == (422, ["inputs.0.asset"])
    for path in (f"/?again={world.queued().pk}", f"/?input={thing.pk}&role=first_frame&operation=image_to_video"):
        assert MARK not in charlie_client.get(path).content.decode()


def test_another_workspaces_account_cannot_be_asked_for(world, charlie_client):
    account = ProviderAccount.objects.create(
        provider=Provider.objects.get(slug="mock"), workspace=world.workspace, label="Ours"
    )
    reply = charlie_client.post(
        "/api/v1/generations", {**ORDER, "account": str(account.pk)}, content_type="application/json"
    )
    assert (reply.status_code, list(reply.json()["fields"])) == (422, ["account"])


def test_a_stranger_cannot_switch_into_the_workspace(world, charlie_client):
    charlie_client.post("/workspace", {"slug": world.workspace.slug})
    world.queued()
    assert charlie_client.get("/api/v1/generations").json()["data"] == []


def test_a_key_acts_in_its_own_workspace_whatever_its_person_belongs_to(api, world, alice):
    from accounts.people import personal_workspace

    world.queued()
    assert api(alice, workspace=personal_workspace(alice)).get("/api/v1/generations").json()["data"] == []
    assert len(api(alice, workspace=world.workspace).get("/api/v1/generations").json()["data"]) == 1


def test_the_mark_of_a_generation_is_its_prompt(world):
    assert world.queued().prompt == MARK
