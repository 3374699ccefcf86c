"""A server that misbehaves on command, byte by byte, and the three drivers behind one face."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from providers.errors import ProviderError
from providers.http.aiohttp_driver import Async
from providers.http.replay import Recorder, Replay
from providers.http.requests_driver import Threaded
from providers.http.wire import Site

SECRET = "sk-very-secret/+key"
Answer = bytes | Callable[[socket.socket], None]


def reply(status: int = 200, body: Any = b"", **headers: str) -> bytes:
    """One whole answer; underscores in header names become dashes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = {} if isinstance(body, bytes) else {"Content-Type": "application/json"}
    lines = {**kind, "Content-Length": str(len(content)), **{name.replace("_", "-"): v for name, v in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + content


class Misbehaving:
    """`script(path, *answers)`: answers in turn, the last one again and again. `seen`: what arrived, in order."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.over = threading.Event()
        self._scripts: dict[str, list[Answer]] = {}
        self.seen: list[dict[str, Any]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def script(self, path: str, *answers: Answer) -> None:
        self._scripts[path] = list(answers)

    def forget(self) -> None:
        self.seen.clear()
        self._scripts.clear()

    def hang(self, sock: socket.socket) -> None:
        self.over.wait(20)
        raise ConnectionAbortedError

    def close(self) -> None:
        self.over.set()
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), sock, sock.makefile("rb") as stream:
            while line := stream.readline().decode("latin-1").rstrip():
                self._one(sock, stream, *line.split(" ")[:2])

    def _one(self, sock: socket.socket, stream: Any, method: str, target: str) -> None:
        headers: dict[str, str] = {}
        while line := stream.readline().decode("latin-1").rstrip():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        length, digest = int(headers.get("content-length", 0)), hashlib.sha256()
        while length > 0 and (block := stream.read(min(length, 1 << 18))):
            digest.update(block)
            length -= len(block)
        self.seen.append({"method": method, "target": target, "headers": headers, "sha256": digest.hexdigest()})
        answers = self._scripts.get(target.partition("?")[0], [reply(404)])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer(sock)
        else:
            sock.sendall(answer)
            if b"\r\nconnection: close" in answer.lower():
                raise ConnectionAbortedError


def drop(sock: socket.socket) -> None:
    """Close without a word."""
    raise ConnectionAbortedError


class Door:
    """One driver; replay plays back what the requests driver recorded a moment before, from the same script."""

    def __init__(self, kind: str, server: Misbehaving) -> None:
        self.kind, self.server = kind, server
        self.private = {("127.0.0.1", server.port)}
        self.slept: list[float] = []

    def call(self, verb: Callable[[], Any], site: Site, **rest: Any) -> Any:
        label = rest.pop("label", "acme.submit" if rest.get("pays_default") else "acme.poll")
        run = {"requests": self._requests, "aiohttp": self._aiohttp, "replay": self._replay}[self.kind]
        return run(label, verb, site, rest)

    def outcome(self, verb: Callable[[], Any], site: Site, **rest: Any) -> tuple[Any, ...]:
        try:
            return ("value", self.call(verb, site, **rest))
        except ProviderError as error:
            return (
                error.code,
                error.http_status,
                error.retry_after,
                error.message,
                tuple(getattr(error, "__notes__", ())),
            )

    def _requests(self, label: str, verb: Any, site: Site, rest: Any, record: Recorder | None = None) -> Any:
        door = Threaded(private_hosts=self.private, sleep=self.slept.append, nonce=lambda: "n" * 32, record=record)
        try:
            return door.call(label, verb, site, **rest)
        finally:
            door.close()

    def _aiohttp(self, label: str, verb: Any, site: Site, rest: Any) -> Any:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        async def run() -> Any:
            async with Async(private_hosts=self.private, sleep=sleep, nonce=lambda: "n" * 32) as door:
                return await door.call(label, verb, site, **rest)

        return asyncio.run(run())

    def _replay(self, label: str, verb: Any, site: Site, rest: Any) -> Any:
        recorder = Recorder(site.secrets.values())
        with contextlib.suppress(ProviderError):
            self._requests(label, verb, site, rest, recorder)
        self.slept.clear()
        assert SECRET not in json.dumps(recorder.exchanges)
        played = Replay(recorder.exchanges, ordered=True, sleep=self.slept.append)
        try:
            return played.call(label, verb, site, **rest)
        finally:
            played.close()


@pytest.fixture(scope="module")
def _server() -> Iterator[Misbehaving]:
    server = Misbehaving()
    yield server
    server.close()


@pytest.fixture
def server(_server: Misbehaving) -> Misbehaving:
    _server.forget()
    return _server


@pytest.fixture(params=["requests", "aiohttp", "replay"])
def door(request: pytest.FixtureRequest, server: Misbehaving) -> Door:
    return Door(request.param, server)


@pytest.fixture
def doors(server: Misbehaving) -> Callable[[str], Door]:
    return lambda kind: Door(kind, server)


@pytest.fixture
def site(server: Misbehaving) -> Site:
    rule = {"header": "Authorization", "value": "Bearer {api_key}"}
    errors = [
        {"status": 400, "code": "moderated", "to": "content_rejected", "charged": False},
        {"status": 200, "code": "1008", "to": "out_of_credits"},
        {"pattern": "quota .* used up", "to": "out_of_credits"},
    ]
    return Site(
        name="Acme", base_url=server.base, auth=rule, secrets={"api_key": SECRET}, errors=errors, timeout=1.0, total=3.0
    )


@pytest.fixture
def say() -> Callable[..., bytes]:
    return reply


@pytest.fixture
def hang_up() -> Callable[[socket.socket], None]:
    return drop
