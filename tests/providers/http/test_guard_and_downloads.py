"""Addresses we did not write are called only when public; downloads end, whatever the other side does."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import socket
import ssl
import threading
import time
from dataclasses import replace

import pytest

from providers.errors import ProviderError
from providers.http import guard
from providers.http.aiohttp_driver import Async
from providers.http.requests_driver import Threaded, download
from providers.types import get, post

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "198.18.0.1",
    "192.0.2.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "::127.0.0.1",
    "64:ff9b:1::1",
    "nonsense",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_not_public(address):
    assert not guard.is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_a_public_address_is(address):
    assert guard.is_public(address)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "127.0.0.1", "[::1]", "localhost"])
def test_every_spelling_of_home_is_refused(host):
    with pytest.raises(guard.Refused):
        guard.pin(f"http://{host}:80/")


def test_one_private_address_among_public_ones_refuses_the_name(monkeypatch):
    rows = [(socket.AF_INET, 1, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **rest: rows)
    with pytest.raises(guard.Refused):
        guard.pin("http://mixed.example/")
    assert guard.pin("http://mixed.example/", {("mixed.example", 80)}) == ("8.8.8.8", "10.0.0.1")


def test_an_exception_holds_for_its_port_only():
    assert guard.pin("http://127.0.0.1:8188/", {("127.0.0.1", 8188)}) == ("127.0.0.1",)
    with pytest.raises(guard.Refused):
        guard.pin("http://127.0.0.1:8189/", {("127.0.0.1", 8188)})


@pytest.mark.parametrize(
    "bad", ["file:///etc/passwd", "ftp://a.example/", "http://u:p@a.example/", "http://a.example\\@b/", "http:///x"]
)
def test_an_odd_address_is_refused_unsent(bad, tmp_path):
    with pytest.raises(ProviderError) as caught:
        download(bad, tmp_path / "x")
    assert caught.value.code in ("bad_reply",)


def test_a_redirect_into_a_private_address_is_refused(door, server, site, say):
    other = f"http://localhost:{server.port}/secret"
    server.script("/v1/x", say(302, b"", Location=other))
    code, *_, message, _ = door.outcome(lambda: (yield get("/v1/x")), site)
    assert code == "bad_reply" and "private and refused" in message
    assert all(row["target"] == "/v1/x" for row in server.seen)


def test_a_base_address_set_by_a_workspace_is_guarded(door, server, site):
    door.private = ()
    code, *_, message, _ = door.outcome(
        lambda: (yield post("/v1/x", json={})), replace(site, guarded=True), pays_default=True
    )
    assert code == "bad_reply" and "private" in message and server.seen == []


def test_a_name_is_resolved_once_and_connected_by_its_address(doors, server, site, say, monkeypatch):
    """The second look-up would lead elsewhere; TLS and Host keep the name."""
    server.script("/x", say(200, {}))
    real, asked = socket.getaddrinfo, []

    def lookup(host, port, *args, **rest):
        if host == "media.example":
            asked.append(host)
            return real("127.0.0.1" if len(asked) == 1 else "127.0.0.9", port, *args, **rest)
        return real(host, port, *args, **rest)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    for kind in ("requests", "aiohttp"):
        asked.clear()
        door = doors(kind)
        door.private = {("media.example", server.port)}
        assert door.call(lambda: (yield get(f"http://media.example:{server.port}/x")).status, site) == 200
        assert asked == ["media.example"]
        assert server.seen[-1]["headers"]["host"] == f"media.example:{server.port}"


def test_the_certificate_is_checked_against_the_name_though_the_address_is_pinned(site, tmp_path):
    listener, names = _tls_server(tmp_path)
    port = listener.getsockname()[1]
    private = {("localhost", port)}
    verb = lambda: (yield post(f"https://localhost:{port}/x", json={}, pays=True))  # noqa: E731

    async def through():
        async with Async(private_hosts=private) as door:
            await door.call("acme.submit", verb, site)

    with pytest.raises(ProviderError) as first:
        Threaded(private_hosts=private).call("acme.submit", verb, site)
    with pytest.raises(ProviderError) as second:
        asyncio.run(through())
    listener.close()
    assert first.value.code == second.value.code == "unavailable" and first.value.message == second.value.message
    assert "certificate" in first.value.message and names == ["localhost", "localhost"]


def test_a_download_is_whole_or_not_there(server, say, tmp_path):
    server.script(
        "/f", say(200, b"x" * 300_000), b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\nshort"
    )
    private = {("127.0.0.1", server.port)}
    got = download(f"{server.base}/f", tmp_path / "f", private_hosts=private)
    assert got.file.read_bytes() == b"x" * 300_000
    with pytest.raises(ProviderError):
        download(f"{server.base}/f", tmp_path / "g", private_hosts=private)
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_an_expired_result_is_gone_and_an_address_of_ours_refused(server, say, tmp_path):
    server.script("/f", say(403, b"<xml>expired</xml>"))
    with pytest.raises(ProviderError) as caught:
        download(f"{server.base}/f", tmp_path / "f", private_hosts={("127.0.0.1", server.port)})
    assert caught.value.code == "result_gone"
    with pytest.raises(ProviderError) as caught:
        download(f"{server.base}/f", tmp_path / "f")
    assert caught.value.code == "bad_reply" and "private" in caught.value.message


def endless(head: bytes, block: bytes, pause: float = 0.0):
    def answer(sock):
        sock.sendall(head)
        for _ in range(100_000):
            sock.sendall(block)
            time.sleep(pause)

    return answer


OPEN = b"HTTP/1.1 200 OK\r\n\r\n"
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"\0" * (64 << 20))
BAD_ENDS = {
    "endless body": (endless(OPEN, b"x" * 65536), {"max_bytes": 1 << 20}),
    "length that lies": (
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", b"x" * 65536),
        {"max_bytes": 1 << 20},
    ),
    "dripping body": (endless(OPEN, b"x", 0.05), {"total_timeout": 0.6}),
    "dripping head": (endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.05), {"total_timeout": 0.6}),
    "bomb": (GZIP, {"max_bytes": 1 << 20}),
}


@pytest.mark.parametrize("name", BAD_ENDS)
def test_a_download_ends(name, server, tmp_path):
    answer, limits = BAD_ENDS[name]
    ended = lambda sock: (sock.sendall(answer), (_ for _ in ()).throw(ConnectionAbortedError))  # noqa: E731
    server.script("/f", answer if callable(answer) else lambda sock: list(ended(sock)[1]))
    began = time.monotonic()
    with pytest.raises(ProviderError) as caught:
        limits = {"timeout": 0.5, **limits}
        download(f"{server.base}/f", tmp_path / "f", private_hosts={("127.0.0.1", server.port)}, **limits)
    assert caught.value.code == ("unavailable" if "drip" in name else "bad_reply")
    assert time.monotonic() - began < 3 and list(tmp_path.iterdir()) == []


def test_an_endless_answer_ends_in_every_driver(door, server, site):
    server.script("/v1/x", endless(OPEN, b"x" * 65536))
    assert door.outcome(lambda: (yield get("/v1/x", max_bytes=1 << 20)), site)[0] == "bad_reply"
    server.script("/v1/x", endless(b"HTTP/1.1 400 X\r\n\r\n", b"x" * 65536))
    assert door.outcome(lambda: (yield get("/v1/x")), site)[0] == "invalid_input"


def _tls_server(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")]),
    )
    start = datetime.datetime(2020, 1, 1)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start.replace(year=2099))
    pem = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.pem").write_bytes(pem)
    context, names = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    context.load_cert_chain(folder / "tls.pem")
    context.sni_callback = lambda sock, sni, _: names.append(sni)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                context.wrap_socket(listener.accept()[0], server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    return listener, names
