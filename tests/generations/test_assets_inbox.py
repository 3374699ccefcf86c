"""Bytes that came with the answer survive whatever happens next."""

from __future__ import annotations

import base64
import json
import os
from datetime import timedelta
from uuid import uuid4

import made_files as made
import pytest
from django.utils import timezone

from generations import inbox
from generations.models import Attempt
from providers.errors import ProviderError
from providers.types import Accepted, Done, Output


@pytest.fixture(autouse=True)
def _store(settings, tmp_path):
    made.fresh_store(settings, tmp_path / "var")


def content(key):
    with inbox.path(key) as path:
        return path.read_bytes()


def test_bytes_and_files_are_put_under_attempt_and_number(tmp_path):
    attempt = uuid4()
    (tmp_path / "file").write_bytes(b"from a file")
    assert inbox.put(attempt, 0, b"bytes") == f"inbox/{attempt}/0"
    key = inbox.put(attempt, 1, tmp_path / "file")
    with inbox.open(key) as file:
        assert file.read() == b"from a file"
    assert content(inbox.put(attempt, 1, b"put again")) == b"put again"


def test_only_keys_of_the_inbox_are_opened():
    with pytest.raises(ValueError, match="not in the inbox"):
        inbox.open("blobs/ab/cd/abcd")


def test_clear_may_be_repeated():
    attempt = uuid4()
    key = inbox.put(attempt, 0, b"bytes")
    inbox.clear(attempt)
    inbox.clear(attempt)
    with pytest.raises(FileNotFoundError), inbox.path(key):
        pass


def test_a_finished_answer_survives_as_json(tmp_path):
    (tmp_path / "song").write_bytes(b"la la la")
    done = Done(
        outputs=(
            Output(kind="image", b64=base64.b64encode(b"picture").decode(), facts={"mocked": True}, index=3),
            Output(kind="audio", file=tmp_path / "song", mime="audio/mpeg"),
            Output(kind="text", text="short"),
            Output(kind="text", text="long " * 20_000),
            Output(kind="video", url="https://cdn.example/x.mp4"),
        )
    )
    rows = json.loads(json.dumps(inbox.written(inbox.kept(uuid4(), done).outputs)))
    (tmp_path / "song").unlink()
    picture, song, short, long, film = inbox.read(rows)
    assert content(picture.key) == b"picture"
    assert (picture.kind, picture.index, picture.facts) == ("image", 3, {"mocked": True})
    assert (content(song.key), song.mime) == (b"la la la", "audio/mpeg")
    assert short.text == "short"
    assert content(long.key) == b"long " * 20_000
    assert film.url == "https://cdn.example/x.mp4"


@pytest.mark.parametrize("text", ["data:image/png;base64,aGk_", "aGk_", "aGk/\n", " aG k/ "])
def test_base64_is_read_in_all_its_spellings(text):
    kept = inbox.kept(uuid4(), Done(outputs=(Output(kind="image", b64=text),)))
    assert content(kept.outputs[0].key) == b"hi?"


def test_a_result_that_is_not_base64_is_gone_and_paid_for():
    with pytest.raises(ProviderError) as caught:
        inbox.kept(uuid4(), Done(outputs=(Output(kind="image", b64="<html>"),)))
    assert (caught.value.code, caught.value.charged) == ("result_gone", True)


def test_an_accepted_answer_passes_through():
    accepted = Accepted(remote_id="1")
    assert inbox.kept(uuid4(), accepted) is accepted


def test_bytes_are_never_written_into_the_row():
    with pytest.raises(ValueError, match="in the inbox"):
        inbox.written([Output(kind="image", b64="aGk=")])


@pytest.mark.django_db
def test_the_sweep_takes_what_is_old_and_no_longer_needed(settings):
    generation = made.generation(made.someone()["workspace"])
    capability = generation.capability
    live = Attempt.objects.create(generation=generation, number=1, capability=capability, created_at=timezone.now()).pk
    old, young = uuid4(), uuid4()
    for attempt in (live, old, young):
        inbox.put(attempt, 0, b"x")
    for attempt in (live, old):
        os.utime(settings.VAR_DIR / "media" / "inbox" / str(attempt) / "0", (1, 1))
    assert inbox.sweep(timedelta(days=7)) == 1
    left = {path.name for path in (settings.VAR_DIR / "media" / "inbox").iterdir()}
    assert left == {str(live), str(young)}
