"""The same misbehaviour gives the same outcome through every driver, and the right one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers.errors import ProviderError
from providers.types import Accepted, Output, Status, get, post

PAYING = {"pays_default": True}


def submit():
    answer = yield post("/v1/jobs", json={"prompt": "a lighthouse"})
    return Accepted(remote_id=answer.need("id", str))


def poll():
    answer = yield get("/v1/jobs/1")
    return Status(state=answer.need("state", str))


def crash():
    answer = yield post("/v1/jobs", json={"prompt": "a lighthouse"})
    return Accepted(remote_id=answer.data["nothing"]["here"])


def look_after():
    yield post("/v1/jobs", json={"prompt": "a lighthouse"})
    answer = yield get("/v1/later")
    return Accepted(remote_id=answer.need("id", str))


def refuse():
    yield post("/v1/jobs", json={"prompt": "a lighthouse"})
    raise ProviderError("content_rejected", "No.")


def upload_then_submit():
    yield post("/v1/files", body=b"bytes", safe=True)
    yield post("/v1/loose", body=b"unmarked")
    return (yield from submit())


def lost_in(raw: bytes):
    def answer(sock):
        sock.sendall(raw)
        raise ConnectionAbortedError

    return answer


HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>hi</html>"
SHORT = b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id": '
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"id"\r\n'
HALF_HEAD = b"HTTP/1.1 200 OK\r\nContent-Le"

# name: (verb, pays, answers as (status, body, headers) | bytes | "hang" | "drop", expected code, requests sent)
OUTCOMES = {
    "accepted": (submit, True, [(200, {"id": "7"})], "value", 1),
    "polled": (poll, False, [(200, {"state": "running"})], "value", 1),
    "html 200 to a paying": (submit, True, [HTML], "unknown_outcome", 1),
    "html 200 to a look": (poll, False, [HTML], "bad_reply", 1),
    "no id": (submit, True, [(200, {})], "unknown_outcome", 1),
    "empty 200": (submit, True, [(200, b"")], "unknown_outcome", 1),
    "crash after paying": (crash, True, [(200, {"id": "7"})], "unknown_outcome", 1),
    "refusal in the adapter stands": (refuse, True, [(200, {"id": "7"})], "content_rejected", 1),
    "later look fails": (look_after, True, [(200, {"id": "7"})], "unknown_outcome", 2),
    "refused after uploads": (upload_then_submit, True, [(400, {"error": "bad prompt"})], "invalid_input", 3),
    "cut body to a paying": (submit, True, [lost_in(SHORT)], "unknown_outcome", 1),
    "cut chunks to a paying": (submit, True, [lost_in(CHUNKED)], "unknown_outcome", 1),
    "half a head": (submit, True, [lost_in(HALF_HEAD)], "unknown_outcome", 1),
    "cut body to a look": (poll, False, [lost_in(SHORT)], "unavailable", 3),
    "cut once to a look": (poll, False, [lost_in(SHORT), (200, {"state": "running"})], "value", 2),
    "closed on a paying": (submit, True, ["drop"], "unknown_outcome", 1),
    "closed on a look": (poll, False, ["drop", (200, {"state": "running"})], "value", 2),
    "hang on a paying": (submit, True, ["hang"], "unknown_outcome", 1),
    "hang on a look": (poll, False, ["hang"], "unavailable", 1),
    "500 to a paying": (submit, True, [(500, {"error": {"message": "oops"}})], "unknown_outcome", 1),
    "502 to a paying": (submit, True, [(502, HTML)], "unknown_outcome", 1),
    "503 to a paying": (submit, True, [(503, b"")], "unavailable", 1),
    "503 that names its end": (submit, True, [(503, b"", {"Retry_After": "9"})], "busy", 1),
    "503 twice to a look": (poll, False, [(503, b""), (503, b""), (200, {"state": "running"})], "value", 3),
    "500 to a look is not repeated": (poll, False, [(500, b"")], "unavailable", 1),
    "429 to a paying": (submit, True, [(429, {}, {"Retry_After": "7"})], "rate_limited", 1),
    "429 to a look": (poll, False, [(429, {}, {"Retry_After": "2"}), (200, {"state": "running"})], "value", 2),
    "429 for too long": (poll, False, [(429, {}, {"Retry_After": "3600"})], "rate_limited", 1),
    "401": (submit, True, [(401, {"message": "bad key"})], "auth_failed", 1),
    "402": (submit, True, [(402, {"detail": "top up"})], "out_of_credits", 1),
    "404 on a look": (poll, False, [(404, b"")], "remote_not_found", 1),
    "404 on a submit": (submit, True, [(404, b"")], "model_gone", 1),
    "422": (submit, True, [(422, {"detail": [{"msg": "too long"}, {"msg": "too odd"}]})], "invalid_input", 1),
    "row by code": (submit, True, [(400, {"error": {"code": "moderated", "message": "no"}})], "content_rejected", 1),
    "row by pattern": (submit, True, [(403, {"msg": "Quota for today used up"})], "out_of_credits", 1),
    "row inside a 200": (submit, True, [(200, {"code": 1008, "msg": "no money"})], "out_of_credits", 1),
    "redirect of a paying": (submit, True, [(302, b"", {"Location": "/v1/other"})], "bad_reply", 1),
    "endless redirect": (poll, False, [(302, b"", {"Location": "/v1/jobs/1"})], "bad_reply", 4),
}


def prepare(server, say, hang_up, answers):
    special = {"hang": server.hang, "drop": hang_up}
    made = []
    for answer in answers:
        if isinstance(answer, tuple):
            made.append(say(*answer[:2], **(answer[2] if len(answer) > 2 else {})))
        else:
            made.append(special.get(answer, answer) if isinstance(answer, str) else answer)
    server.forget()
    server.script("/v1/later", say(500, {}))
    for path in ("/v1/files", "/v1/loose"):
        server.script(path, say(200, {"id": "f"}))
    for path in ("/v1/jobs", "/v1/jobs/1"):
        server.script(path, *made)


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_driver_comes_to_the_same_outcome(name, doors, server, site, say, hang_up):
    verb, pays, answers, code, count = OUTCOMES[name]
    outcomes, slept = [], []
    for kind in ("requests", "aiohttp", "replay"):
        prepare(server, say, hang_up, answers)
        door = doors(kind)
        outcomes.append(door.outcome(verb, site, pays_default=pays))
        slept.append(door.slept)
        assert len(server.seen) == count, f"{kind} sent {len(server.seen)}"
    assert outcomes[0][0] == code, outcomes[0]
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert slept[0] == slept[1] == slept[2]


@pytest.mark.parametrize("kind", ["requests", "aiohttp"])
def test_retry_after_is_obeyed_and_told(kind, doors, server, site, say):
    door = doors(kind)
    waits = [say(429, {}, Retry_After=seconds) for seconds in ("2", "3")]
    server.script("/v1/jobs/1", *waits, say(200, {"state": "running"}))
    assert door.call(poll, site) == Status(state="running")
    assert door.slept == [2.0, 3.0]
    server.script("/v1/jobs", say(429, {"message": "slow down"}, Retry_After="7"))
    assert door.outcome(submit, site, **PAYING)[:3] == ("rate_limited", 429, 7.0)


def test_nothing_listening_is_unavailable_even_when_paying(door, site):
    nowhere = replace(site, base_url="http://127.0.0.1:9")
    assert door.outcome(submit, nowhere, **PAYING)[0] == "unavailable"


@pytest.mark.parametrize("kind", ["requests", "aiohttp"])
def test_a_keyed_submit_is_repeated_but_stays_doubtful(kind, doors, server, site, say, hang_up):
    """Answer lost, then refused on the repeat: the first may still be at work."""

    def keyed():
        answer = yield post("/v1/jobs", json={}, safe=True, pays=True)
        return Accepted(remote_id=answer.need("id", str))

    door = doors(kind)
    server.script("/v1/jobs", hang_up, say(200, {"id": "9"}))
    assert door.call(keyed, site, label="acme.submit") == Accepted(remote_id="9")
    server.script("/v1/jobs", hang_up, say(400, {}))
    assert door.outcome(keyed, site, label="acme.submit")[0] == "unknown_outcome"


def test_accepted_statuses_are_handed_over_and_caught_errors_stay_caught(door, server, site, say):
    server.script("/v1/jobs/1", say(409, {"state": "done"}))
    server.script("/v1/gone", say(404))

    def verb():
        answer = yield get("/v1/jobs/1", accept=(409,))
        try:
            yield get("/v1/gone")
        except ProviderError as error:
            return Status(state=answer.get("state"), note=error.code)

    assert door.call(verb, site) == Status(state="done", note="remote_not_found")


def test_a_secret_leaks_neither_in_message_nor_note_nor_chain(door, server, site, say):
    secret = site.secrets["api_key"]
    keyed = replace(site, auth={"query": "key", "value": "{api_key}"})
    server.script("/v1/jobs", say(400, {"message": f"bad key {secret}"}))
    server.script("/v1/jobs/1", say(200, {"state": 1, secret: 2}))

    def crashes():
        answer = yield get("/v1/jobs/1")
        try:
            return answer.data[f"missing {secret}"]
        except KeyError as error:
            raise ValueError(f"no {secret}") from error

    for verb, rest in ((submit, PAYING), (crashes, {})):
        with pytest.raises(ProviderError) as caught:
            door.call(verb, keyed, **rest)
        link = caught.value
        while link is not None:
            text = f"{link} {link!r} {getattr(link, '__notes__', '')}"
            assert secret not in text and "very-secret" not in text
            link = link.__cause__ or link.__context__


def test_a_connection_error_holds_no_address_with_a_key(door, site):
    keyed = replace(site, base_url="http://127.0.0.1:9", auth={"query": "key", "value": "{api_key}"})
    with pytest.raises(ProviderError) as caught:
        door.call(poll, keyed)
    assert "very-secret" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


def test_long_base64_becomes_a_file_and_short_stays(door, server, site, say, tmp_path):
    import base64

    big = bytes(range(256)) * 2000
    body = {
        "a": base64.b64encode(big).decode(),
        "b": "short",
        "c": "data:image/png;base64," + base64.b64encode(big).decode(),
    }
    server.script("/v1/jobs/1", say(200, body))

    def verb():
        answer = yield get("/v1/jobs/1", spill=True)
        assert len(answer.content) < 1000
        outputs = (Output(kind="image", b64=answer.get("a")), Output(kind="text", text=answer.get("b")))
        return Status(state="succeeded", outputs=outputs)

    found = door.call(verb, replace(site, scratch=tmp_path))
    assert found.outputs[0].b64 is None and found.outputs[0].file.read_bytes() == big
    assert found.outputs[1].text == "short"
    assert list(tmp_path.iterdir()) == [found.outputs[0].file] or door.kind == "replay"


def test_events_are_folded_until_enough(door, server, site, say):
    stream = b"\xef\xbb\xbf: hi\r\n\r\nevent: part\ndata: one\ndata: two\n\ndata: \xc3\xa9\r\rdata: never\n\n"
    server.script("/v1/jobs", say(200, stream, Content_Type="text/event-stream"))

    def verb():
        seen = []
        yield post("/v1/jobs", json={}, on_event=lambda event: seen.append((event.name, event.data)) or len(seen) == 2)
        return seen

    assert door.call(verb, site) == [("part", "one\ntwo"), ("message", "é")]


def test_a_fold_that_breaks_while_a_paid_answer_streams_is_unknown(door, server, site, say):
    server.script("/v1/jobs", say(200, b"data: x\n\n", Content_Type="text/event-stream"))

    def verb():
        yield post("/v1/jobs", json={}, on_event=lambda event: {}["missing"])

    assert door.outcome(verb, site, **PAYING)[0] == "unknown_outcome"
    assert door.outcome(verb, site)[0] == "bad_reply"
