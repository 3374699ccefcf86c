"""Live updates: what a stream sends, how it resumes, and that nobody hears of another workspace."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from django.db import connection
from django.test import Client
from django.utils import timezone

from generations import changes, feed, lifecycle, orders
from generations.models import Event, Generation, Step

URL = "/api/v1/events"
BODY = {"model": "mock/video", "params": {"prompt": "x"}}


def made(user: Any, workspace: Any) -> Generation:
    return lifecycle.create(order=orders.read(BODY), workspace=workspace, user=user)[0]


def frames(text: bytes) -> list[dict]:
    """The events of a stream, comments left out."""
    found = []
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append({**fields, "data": json.loads(fields["data"])})
    return found


@pytest.fixture
def brisk(monkeypatch):
    monkeypatch.setattr(feed, "LOOK", 0.05)


# -- servers without a loop ---------------------------------------------------------------------------------------------
@pytest.fixture
def opened(db, brisk, api, alice, studio_space, monkeypatch) -> Callable[..., list[dict]]:
    """Opens the stream and reads it for a moment."""
    monkeypatch.setattr(feed, "LIFE", 0.3)
    client = api(alice)

    def read(path: str = URL, **headers: str) -> list[dict]:
        reply = client.get(path, headers={"Accept": "text/event-stream", **headers})
        assert reply.status_code == 200
        assert reply.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert "no-cache" in reply.headers["Cache-Control"]
        assert reply.headers["X-Accel-Buffering"] == "no"
        return frames(b"".join(reply.streaming_content))

    return read


def test_resuming_sends_what_changed_since_and_nothing_else(opened, alice, studio_space):
    old, new = made(alice, studio_space), made(alice, studio_space)
    Step.objects.update(change_seq=0)
    Event.objects.filter(generation=old).update(at=timezone.now() - timedelta(minutes=1))  # beyond the overlap
    last = Event.objects.filter(generation=old).latest("id").pk
    got = opened(**{"Last-Event-ID": str(last)})
    assert [frame["data"]["id"] for frame in got] == [str(new.pk)]
    assert got[0]["event"] == "generation"
    assert int(got[0]["id"]) == Event.objects.latest("id").pk
    assert opened(f"{URL}?last_event_id={got[0]['id']}") == []


def test_a_frame_is_the_row_as_the_interface_gives_it(opened, api, alice, studio_space):
    row = made(alice, studio_space)
    assert opened(**{"Last-Event-ID": "0"})[0]["data"] == api(alice).get(f"/api/v1/generations/{row.pk}").json()


def test_nobody_hears_of_another_workspace(opened, charlie):
    from accounts.people import personal_workspace

    made(charlie, personal_workspace(charlie))
    assert opened(**{"Last-Event-ID": "0"}) == []


def test_nonsense_for_a_last_id_counts_as_not_said(opened, alice, studio_space):
    made(alice, studio_space)
    Step.objects.update(change_seq=0)
    assert opened(**{"Last-Event-ID": "yesterday"}) == []


def test_the_stream_of_one_generation_ends_with_its_end(opened, alice, studio_space, monkeypatch):
    monkeypatch.setattr(feed, "LIFE", 60)
    row = made(alice, studio_space)
    lifecycle.cancel(row, by=alice)
    got = opened(f"/api/v1/generations/{row.pk}/events")
    assert [frame["data"]["status"] for frame in got] == ["cancelled"]


def test_a_stream_needs_a_key(db):
    assert Client().get(URL, headers={"Accept": "text/event-stream"}).status_code == 401


def test_progress_is_a_change_without_an_event(db, alice, studio_space):
    row = made(alice, studio_space)
    reader = changes.Reader.from_now()
    reader.read({studio_space.pk})
    assert reader.read({studio_space.pk}) == []
    Step.objects.filter(pk=row.pk).update(progress=0.5, change_seq=time.time_ns() // 1000)
    assert [json.loads(frame.data)["id"] for frame in reader.read({studio_space.pk})] == [str(row.pk)]
    assert reader.read({studio_space.pk}) == []


def test_watching_marks_live_steps_of_the_workspace_only(db, alice, charlie, studio_space):
    from accounts.people import personal_workspace

    mine, other = made(alice, studio_space), made(charlie, personal_workspace(charlie))
    changes.watch({studio_space.pk})
    assert Step.objects.get(pk=mine.pk).watched_until > time.time() + 10
    assert Step.objects.get(pk=other.pk).watched_until == 0


# -- under a loop -------------------------------------------------------------------------------------------------------
class Listener:
    """One open connection to the application, as a server would hold it."""

    def __init__(self, secret: str, path: str = URL) -> None:
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [
                (b"host", b"localhost"),
                (b"authorization", f"Bearer {secret}".encode()),
                (b"accept", b"text/event-stream"),
            ],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self.line = ApplicationCommunicator(get_asgi_application(), scope)
        self.text = b""

    async def open(self) -> Listener:
        await self.line.send_input({"type": "http.request", "body": b"", "more_body": False})
        start = await self.line.receive_output(10)
        assert start["status"] == 200
        while b": connected" not in self.text:
            await self.more()
        return self

    async def more(self, seconds: float = 10) -> None:
        self.text += (await self.line.receive_output(seconds)).get("body", b"")

    async def rows(self, count: int) -> list[dict]:
        while len(frames(self.text)) < count:
            await self.more()
        return frames(self.text)

    async def close(self) -> None:
        await self.line.send_input({"type": "http.disconnect"})
        with contextlib.suppress(asyncio.CancelledError):
            await self.line.wait(5)


async def apart(verb: Callable[..., Any], *args: Any, **more: Any) -> Any:
    """On a thread of its own, whose connection is given back."""

    def done() -> Any:
        try:
            return verb(*args, **more)
        finally:
            connection.close()

    return await asyncio.to_thread(done)


@pytest.mark.django_db(transaction=True)
def test_one_reader_serves_every_listener_its_own_workspace(brisk, api, alice, bob, charlie, studio_space, monkeypatch):
    reads = []
    read = changes.Reader.read
    monkeypatch.setattr(changes.Reader, "read", lambda self, spaces: reads.append(set(spaces)) or read(self, spaces))
    monkeypatch.setattr(feed, "LINGER", 0.0)
    secrets = [api(user).secret for user in (alice, bob, charlie)]

    async def scene() -> None:
        hers, his, strangers = [await Listener(secret).open() for secret in secrets]
        row = await apart(made, alice, studio_space)
        for one in (hers, his):
            got = await one.rows(1)
            assert got[0]["data"]["id"] == str(row.pk)
        await apart(lifecycle.cancel, row, by=alice)
        assert (await hers.rows(2))[-1]["data"]["status"] == "cancelled"
        assert frames(strangers.text) == []
        assert len(feed.hub()._boxes) == 3
        reader = feed.hub()._task
        for one in (hers, his, strangers):
            await one.close()
        assert feed.hub()._boxes == set()
        await reader
        assert feed.hub()._task is None

    asyncio.run(scene())
    assert any(len(spaces) == 2 for spaces in reads)


@pytest.mark.django_db(transaction=True)
def test_the_loops_stream_of_one_generation_ends_too(brisk, api, alice, studio_space, monkeypatch):
    monkeypatch.setattr(feed, "LINGER", 0.0)
    row, secret = made(alice, studio_space), api(alice).secret

    async def scene() -> None:
        one = await Listener(secret, f"/api/v1/generations/{row.pk}/events").open()
        assert (await one.rows(1))[0]["data"]["status"] == "queued"
        await apart(lifecycle.cancel, row, by=alice)
        assert (await one.rows(2))[-1]["data"]["status"] == "cancelled"
        reader = feed.hub()._task
        await one.line.wait(5)
        await reader

    asyncio.run(scene())


def test_a_slow_listener_gets_the_newest_row_once(db):
    async def scene() -> list:
        box = feed.Mailbox(1, None)
        for number in range(5):
            box.put(changes.Frame(sequence=number, workspace=1, generation="g", status="running", data=str(number)))
        box.put(changes.Frame(sequence=9, workspace=2, generation="h", status="running", data="other"))
        return await box.take(1)

    assert [frame.data for frame in asyncio.run(scene())] == ["4"]
