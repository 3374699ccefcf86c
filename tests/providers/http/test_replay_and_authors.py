"""Replay is strict, recordings hold no secrets, and an author's slip is named with its line."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace

import pytest

from providers.engine import ReplayMismatch
from providers.errors import AuthorError, ProviderError
from providers.http.redaction import Redactor
from providers.http.replay import Recorder, Replay
from providers.http.requests_driver import Threaded
from providers.http.spill import spill
from providers.http.sse import EventFold
from providers.http.troubles import retry_after
from providers.types import Accepted, Reply, Request, Status, get, post

SUBMIT = {
    "request": {"method": "POST", "path": "/v1/jobs", "json": {"p": "*", "n": 1}},
    "reply": {"status": 200, "json": {"id": "7"}},
}
LOOK = {"request": {"method": "GET", "path": "/v1/jobs/*"}, "reply": {"status": 200, "json": {"state": "running"}}}


def submit():
    answer = yield post("/v1/jobs", json={"p": "x", "n": 1})
    return Accepted(remote_id=answer.need("id", str))


def test_replay_takes_what_fits_and_names_what_is_missing(site):
    played = Replay([LOOK, SUBMIT])
    assert played.call("acme.submit", submit, site) == Accepted(remote_id="7")
    with pytest.raises(ReplayMismatch, match="GET /v1/jobs/\\*"):
        played.close()
    with pytest.raises(ReplayMismatch, match="POST /v1/jobs"):
        played.call("acme.submit", submit, site)
    with pytest.raises(ReplayMismatch):
        Replay([LOOK, SUBMIT], ordered=True).call("acme.submit", submit, site)


def test_another_body_is_another_request_unless_simulated(site):
    other = lambda: (yield post("/v1/jobs", json={"p": "x", "n": 2})).get("id")  # noqa: E731
    with pytest.raises(ReplayMismatch):
        Replay([SUBMIT]).call("acme.submit", other, site)
    assert Replay([SUBMIT], check_json=False).call("acme.submit", other, site) == "7"


def test_a_recorded_failure_is_played(site):
    fails = {"request": SUBMIT["request"], "fails": {"kind": "timeout", "sent": True}}
    with pytest.raises(ProviderError) as caught:
        Replay([fails]).call("acme.submit", submit, site, pays_default=True)
    assert caught.value.code == "unknown_outcome"


def test_a_recording_holds_no_secret(server, site, say, tmp_path):
    secret = site.secrets["api_key"]
    server.script("/v1/jobs", say(200, {"id": "7", "echo": f"you sent {secret}"}, Set_Cookie="s=1"))
    recorder = Recorder([secret])
    keyed = replace(site, auth={"query": "key", "value": "{api_key}"})
    Threaded(record=recorder).call("acme.submit", lambda: (yield post("/v1/jobs", json={"k": secret})).get("id"), keyed)
    recorder.save(tmp_path / "a.json", about="one")
    text = (tmp_path / "a.json").read_text()
    assert (
        "very-secret" not in text
        and "s=1" not in text
        and json.loads(text)["exchanges"][0]["request"]["path"] == "/v1/jobs"
    )


def test_a_plain_value_is_a_verb_too(door, site):
    assert door.call(lambda: "unsupported", site, label="acme.cancel") == "unsupported"


def helper():
    return (yield get("/v1/x"))


def forgot_from():
    yield helper()


def unsent():
    if False:
        yield
    return get("/v1/x")


def nothing():
    yield get("/v1/jobs/1")


def generator_in_json():
    yield post("/v1/jobs", json={"x": helper()})


def endless():
    while True:
        yield get("/v1/jobs/1")


async def wrong_kind():
    return 1


SLIPS = {
    "forgot_from": (forgot_from, r"yield from.*test_replay_and_authors\.py:\d+"),
    "unsent": (unsent, "unsent Request"),
    "nothing": (nothing, "returned nothing"),
    "json": (generator_in_json, r"not JSON.*test_replay_and_authors\.py:\d+"),
    "endless": (endless, "more than 50"),
    "async": (wrong_kind, "async"),
    "two bodies": (lambda: (yield post("/x", json={}, body=b"")), "one of json"),
    "framing": (lambda: (yield get("/x", headers={"Host": "a"})), "Host"),
    "no reply yet": (lambda: {}["x"], "KeyError"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_an_authors_slip_is_named(name, site):
    verb, words = SLIPS[name]
    with pytest.raises(AuthorError, match=words):
        Replay([LOOK] * 50).call("acme.poll", verb, site)


def test_an_id_cannot_leave_its_place(site):
    with pytest.raises(ProviderError, match="refused"):
        Replay([]).call("acme.poll", lambda: (yield get("/v1/jobs/../keys")), site)


def test_a_delay_is_slept_before_sending(site):
    slept = []
    played = Replay([LOOK], sleep=slept.append)
    state = played.call(
        "acme.poll", lambda: Status(state=(yield get("/v1/jobs/1", delay=2)).get("state")) if True else 0, site
    )
    assert slept == [2] and state == Status(state="running")


def test_retry_after_is_read_in_both_spellings_and_never_trusted():
    read = lambda text: retry_after(Reply(429, {"Retry-After": text}), 1_700_000_000)  # noqa: E731
    assert read("7") == 7 and read("Tue, 14 Nov 2023 22:13:50 GMT") == 30
    assert [read(text) for text in ("", "nan", "inf", "-3", "soon", "1" * 400)] == [None] * 6


def test_each_spelling_of_a_secret_is_hidden():
    hide = Redactor(["pa/ss+wörd", json.dumps([{"name": "sid", "value": "cookie-value"}]), "x"])
    for text in ("pa/ss+wörd", "pa%2Fss%2Bw%C3%B6rd", base64.b64encode("pa/ss+wörd".encode()).decode(), "cookie-value"):
        assert hide(f"<{text}>") == "<[redacted]>"
    assert hide("x sid") == "x sid"


def test_spilling_takes_base64_and_nothing_else(tmp_path):
    fate = random.Random(3)
    for turn in range(40):
        raw = fate.randbytes(fate.randrange(60_000, 300_000))
        text = (base64.urlsafe_b64encode if turn % 2 else base64.b64encode)(raw).decode()
        text = text.rstrip("=") if turn % 3 == 0 else text
        odd = "not base64! " * 9000
        body = json.dumps({"a": text, 'q"\\': ["x\\", odd, text + "=" * 5, f'"{text}"'], "n": 1})
        body = body.replace("/", "\\/") if turn % 4 == 0 else body
        path = tmp_path / "body"
        path.write_text(body)
        content, files = spill(path, tmp_path)
        read = json.loads(content)
        assert read["n"] == 1 and read['q"\\'][1:] == [odd, text + "=" * 5, f'"{text}"']
        big = len(text) > 70_000
        assert (files[read["a"]].read_bytes() == raw) if big else True


def test_events_survive_any_cutting():
    stream = "event: a\r\ndata: é1\r\n\r\n:c\rdata:2\r\rdata: 3\ndata\n\nid: 9\n\ndata: lost".encode()
    whole = None
    for size in range(1, len(stream) + 1):
        seen = []
        fold = EventFold(lambda event, seen=seen: seen.append((event.name, event.data)))
        for at in range(0, len(stream), size):
            fold.feed(stream[at : at + size])
        whole = whole or seen
        assert seen == whole == [("a", "é1"), ("message", "2"), ("message", "3\n")]


def test_request_is_the_only_thing_an_adapter_needs():
    assert get("/x") == Request(method="GET", path="/x")
