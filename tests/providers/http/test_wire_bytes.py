"""What goes over the wire is the same, byte for byte, whichever driver sends it; and it goes once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace

import pytest

from providers.errors import ProviderError
from providers.http.aiohttp_driver import Async, make_session
from providers.http.requests_driver import Threaded
from providers.types import FilePart, Request, delete, get, post, put

SIGNED = "/out/a%2fb%7Ec%2a.mp4?X-Sig=a%2Bb%3d%3D&x=%7e*'()!&y=a+b"
NOT_OURS = {"host", "connection"}


def ours(seen):
    headers = {name: value for name, value in seen["headers"].items() if name not in NOT_OURS}
    return seen["method"], seen["target"], headers, seen["sha256"]


@pytest.fixture
def big(tmp_path):
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(range(256)) * (20 << 12))
    return path


def requests_of(big, base):
    multipart = [FilePart(name='im age"', source=big, filename='ö "x".png', mime="image/png")]
    return {
        "json": post("/v1/jobs", json={"prompt": "é\ud83d\ude00", "n": [1, 2.5, None]}),
        "multipart": post(
            "/v1/edits",
            form={"model": "é", "n": "1"},
            files=[*multipart, FilePart(name="m", source=b"x", filename="m")],
        ),
        "form": post("/v1/form", form={"a": "1 2", "b": "&é"}),
        "empty post": post("/v1/empty"),
        "empty put": put("/v1/empty"),
        "file": put("/v1/raw", body=big, headers={"content-type": "video/mp4"}),
        "delete": delete("/v1/jobs/1"),
        "delete with json": Request(method="DELETE", path="/v1/jobs", json={"id": 1}),
        "params": get("/v1/list?a=1", params={"q": "a b&c", "z": "é"}),
        "signed": get(base + SIGNED),
        "dots": get(f"{base}/a/../b//c/./d"),
        "odd letters": get('/v1/é{x}|"<>/ü'),
        "head": Request(method="HEAD", path="/v1/x"),
    }


@pytest.mark.parametrize("name", requests_of(None, "http://x"))
def test_the_same_bytes_leave_every_driver(name, doors, server, site, say, big):
    request = requests_of(big, server.base)[name]
    sent = []
    for kind in ("requests", "aiohttp"):
        server.seen.clear()
        doors(kind).call(lambda: (yield replace(request, accept=(404,))).status, site, pays_default=True)
        assert len(server.seen) == 1
        sent.append(ours(server.seen[0]))
    assert sent[0] == sent[1]
    method, target, headers, _ = sent[0]
    assert headers["accept-encoding"] == "identity" and headers["user-agent"] == "mediagen/1"
    assert headers["authorization"] == f"Bearer {site.secrets['api_key']}"
    if name == "signed":
        assert target == SIGNED
    if name == "file":
        assert headers["content-length"] == str(20 << 20) and sent[0][3] == hashlib.sha256(big.read_bytes()).hexdigest()
    if name == "multipart":
        assert int(headers["content-length"]) > 20 << 20 and "boundary=----nnnn" in headers["content-type"]
    if name.startswith("empty"):
        assert headers["content-length"] == "0" and "content-type" not in headers


def test_a_paying_request_never_meets_a_dying_connection(doors, server, site, say):
    """The server closes 10 ms after each answer; a kept-alive connection would lose about half of these."""

    def close_soon(sock):
        sock.sendall(say(200, {"id": "1"}))
        time.sleep(0.01)
        raise ConnectionAbortedError

    server.script("/v1/jobs", close_soon)
    server.script("/v1/jobs/1", close_soon)

    def verb():
        for pause in (0, 0.005, 0.01) * 3:
            yield get("/v1/jobs/1")
            time.sleep(pause)
            yield post("/v1/jobs", json={})
        return "done"

    for kind in ("requests", "aiohttp"):
        assert doors(kind).call(verb, site, pays_default=True) == "done"


def test_looks_share_a_connection_and_paying_requests_do_not(server, site, say):
    server.script("/v1/x", say(200, {}))
    door = Threaded()
    accepted = []
    original = server._serve
    server._serve = lambda sock: (accepted.append(1), original(sock))

    def verb():
        for _ in range(3):
            yield get("/v1/x")
        yield post("/v1/x", json={})

    door.call("acme.other", verb, site)
    door.close()
    server._serve = original
    assert len(accepted) == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_a_dropped_request_arrives_once_though_the_library_would_send_again(method, doors, server, site, hang_up, say):
    server.script("/v1/x", hang_up)
    server.script("/v1/warm", say(200, {}))
    once = replace(site, retries=0)

    def verb():
        yield get("/v1/warm")
        yield Request(method=method, path="/v1/x")

    for kind in ("requests", "aiohttp"):
        server.seen.clear()
        doors(kind).outcome(verb, once)
        assert [row["target"] for row in server.seen] == ["/v1/warm", "/v1/x"], kind


def test_the_private_switch_of_the_library_still_exists():
    async def look():
        async with make_session() as session:
            return session._retry_connection

    assert asyncio.run(look()) is False


def test_credentials_stay_home_and_redirects_lose_them(doors, server, site, say):
    """127.0.0.1 and localhost are two origins of the same server."""
    elsewhere = f"http://localhost:{server.port}"
    server.script("/v1/x", say(302, b"", Location=f"{elsewhere}/other"))
    server.script("/other", say(200, {"ok": 1}))

    def verb():
        yield get("/v1/x", headers={"X-Mine": "1"})
        yield get(f"{elsewhere}/other")
        yield get(f"{server.base}/other")
        return "done"

    for kind in ("requests", "aiohttp"):
        server.seen.clear()
        door = doors(kind)
        door.private = {("localhost", server.port)}
        door.call(verb, site)
        assert [("authorization" in row["headers"], "x-mine" in row["headers"]) for row in server.seen] == [
            (True, True),
            (False, False),
            (False, False),
            (True, False),
        ]


def test_a_hook_sees_each_wire_and_what_it_raises_was_not_sent(server, site, say):
    server.script("/v1/jobs", say(200, {"id": "1"}))

    def refuse(wire):
        raise ProviderError("rate_limited", "Later.", retry_after=3) if wire.pays else ValueError("broken hook")

    async def refuse_later(wire):
        refuse(wire)

    async def through(pays):
        async with Async(before_send=refuse_later) as door:
            await door.call(
                "acme.submit", lambda: (yield post("/v1/jobs", json={}, pays=pays)), replace(site, retries=0)
            )

    for pays, code in ((True, "rate_limited"), (False, "unavailable")):
        with pytest.raises(ProviderError) as caught:
            Threaded(before_send=refuse).call(
                "acme.submit", lambda pays=pays: (yield post("/v1/jobs", json={}, pays=pays)), replace(site, retries=0)
            )
        assert caught.value.code == code
        with pytest.raises(ProviderError) as caught:
            asyncio.run(through(pays))
        assert caught.value.code == code
    assert server.seen == []


def test_a_cancelled_call_leaves_nothing_open(server, site):
    server.script("/v1/jobs", server.hang)
    closed = []

    def verb():
        try:
            yield post("/v1/jobs", json={})
        finally:
            closed.append(True)
            yield get("/v1/never")

    async def run():
        async with Async() as door:
            task = asyncio.create_task(door.call("acme.submit", verb, site, pays_default=True))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert closed == [True] and len(server.seen) == 1


def signed(doors, server, site, say, rule, secrets):
    server.seen.clear()
    server.script("/v1/x", say(200, {}))
    doors("requests").call(lambda: (yield get("/v1/x", params={"a": "1"})), replace(site, auth=rule, secrets=secrets))
    return server.seen[0]


def test_each_kind_of_credential(doors, server, site, say):
    got = signed(doors, server, site, say, {"query": "key", "value": "{k}"}, {"k": "a/b+c"})
    assert got["target"] == "/v1/x?a=1&key=a%2Fb%2Bc"
    got = signed(doors, server, site, say, {"basic": "{u}:{p}"}, {"u": "me", "p": "pä"})
    assert base64.b64decode(got["headers"]["authorization"][6:]).decode() == "me:pä"
    jar = json.dumps(
        [{"name": "s", "value": "1", "domain": ".0.0.1"}, {"name": "t", "value": "2", "domain": "other.example"}]
    )
    got = signed(doors, server, site, say, {"cookies": "jar"}, {"jar": jar})
    assert got["headers"]["cookie"] == "s=1"
    got = signed(doors, server, site, say, {"cookies": {"a": "{x}"}}, {"x": "9"})
    assert got["headers"]["cookie"] == "a=9"
    rules = [{"header": "X-A", "value": "{a}"}, {"header": "X-B", "value": "{b}", "optional": True}]
    got = signed(doors, server, site, say, rules, {"a": " 1\n"})
    assert got["headers"]["x-a"] == "1" and "x-b" not in got["headers"]


def test_tokens_are_signed_with_the_time_given(doors, server, site, say):
    rule = {
        "jwt": {"iss": "{ak}", "exp": "+1800", "nbf": "-5"},
        "key": "{sk}",
        "header": "Authorization",
        "value": "Bearer {jwt}",
    }
    got = signed(doors, server, site, say, rule, {"ak": "me", "sk": "hush"})
    head, claims, signature = got["headers"]["authorization"].removeprefix("Bearer ").split(".")
    wanted = hmac.digest(b"hush", f"{head}.{claims}".encode(), "sha256")
    assert base64.urlsafe_b64decode(signature + "=") == wanted
    read = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert read["iss"] == "me" and read["exp"] - read["nbf"] == 1805 and abs(read["nbf"] - time.time()) < 60
    rule = {"hmac": "sha1", "key": "{sk}", "sign": "{path}&{timestamp}&{nonce}", "encoding": "base64url"}
    rule["query"] = {"sig": "{signature}", "t": "{timestamp}", "n": "{nonce}"}
    got = signed(doors, server, site, say, rule, {"sk": "hush"})
    query = dict(pair.split("=") for pair in got["target"].partition("?")[2].split("&"))
    digest = hmac.digest(b"hush", f"/v1/x&{query['t']}&{query['n']}".encode(), "sha1")
    assert query["sig"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_a_missing_credential_is_said_before_anything_is_sent(door, server, site):
    code, *_, message, _ = door.outcome(lambda: (yield get("/v1/x")), replace(site, secrets={}))
    assert code == "auth_failed" and "api_key" in message and server.seen == []
