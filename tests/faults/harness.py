"""Starts the real thing (`manage.py up`: web, three clusters, supervisor) and the counting upstream, as a person would."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
ENDED = ("succeeded", "failed", "filtered", "cancelled")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def adapters(folder: Path, port: int) -> list[Path]:
    """Two throw-away providers, catalogue only: one that can find a lost job and one that cannot."""
    made = []
    text = (HERE / "catalogue.yaml").read_text()
    for slug, find in (("findable", "true"), ("blind", "false")):
        place = folder / "adapters" / slug
        place.mkdir(parents=True, exist_ok=True)
        (place / "catalogue.yaml").write_text(
            text.replace("SLUG", slug).replace("PORT", str(port)).replace("FIND", find)
        )
        made.append(place)
    return made


@contextmanager
def upstream(folder: Path) -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(HERE / "upstream.py"), str(port), str(folder)])
    try:
        wait_for(lambda: ask(f"http://127.0.0.1:{port}/stats")[0] == 200, 10, "the upstream to answer")
        yield port
    finally:
        process.kill()
        process.wait()


def wait_for(test: Any, seconds: float, what: str) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            found = test()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")


def ask(url: str, body: Any = None, headers: dict[str, str] | None = None, timeout: float = 30) -> tuple[int, Any]:
    request = urllib.request.Request(url, headers={"Content-Type": "application/json", **(headers or {})})
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, data, timeout=timeout) as reply:
            return reply.status, _read(reply)
    except urllib.error.HTTPError as error:
        return error.code, _read(error)


def _read(reply: Any) -> Any:
    text = reply.read()
    try:
        return json.loads(text)
    except ValueError:
        return text


class House:
    """A running Mediagen with its own data directory."""

    def __init__(self, folder: Path, upstream_port: int, *, database: str = "", **more: str) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        paths = ",".join(map(str, adapters(folder, upstream_port)))
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MEDIAGEN_", "DJANGO_", "PYTEST")) and name not in LEFT_OUT
        }
        self.env = kept | {
            "MEDIAGEN_VAR": str(folder / "var"), "PORT": str(self.port), "MEDIAGEN_ADAPTER_PATHS": paths,
            "MEDIAGEN_LEASE": "4", "MEDIAGEN_FIND_SECONDS": "6", "THROWAWAY_API_KEY": "throwaway-key-for-tests",
            "MEDIAGEN_PRIVATE_HOSTS": f"127.0.0.1:{upstream_port}", **more,
        }  # fmt: skip
        if database:
            self.env["DATABASE_URL"] = database
        self.process: subprocess.Popen[bytes] | None = None
        self.key = ""

    def start(self, **more: str) -> House:
        self.log = (self.folder / "house.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"], cwd=ROOT, env=self.env | more, stdout=self.log, stderr=self.log
        )
        wait_for(self.ready, 60, "Mediagen to be ready")
        self.key = (
            self.key
            or self.manage("apikey", "create", "--user", "admin", "--scopes", "read,submit,admin", "--rate", "60000")
            .strip()
            .splitlines()[-1]
        )
        return self

    def ready(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"it ended at once:\n{(self.folder / 'house.log').read_text()[-3000:]}")
        return ask(f"{self.url}/health/ready")[0] == 200

    def stop(self) -> float:
        """Ctrl-C; how many seconds it took."""
        started = time.monotonic()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(20)
        self.process = None
        return time.monotonic() - started

    def manage(self, *words: str, ok: bool = True) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words], cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=120
        )
        assert not ok or done.returncode == 0, f"manage.py {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def call(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        return ask(f"{self.url}/api/v1{path}", body, {"Authorization": f"Bearer {self.key}", **headers})

    def submit(self, model: str, prompt: str, key: str, seconds: float = 60, **params: Any) -> dict[str, Any]:
        """As a careful program does: the same key again until there is an answer."""
        body = {
            "model": model,
            "operation": params.pop("operation", "text_to_image"),
            "params": {"prompt": prompt, **params},
        }

        def once() -> Any:
            status, row = self.call("/generations", body, **{"Idempotency-Key": key})
            assert status in (200, 202), row
            return row

        found: dict[str, Any] = wait_for(once, seconds, "an answer to the submit")
        return found

    def row(self, key: str) -> dict[str, Any]:
        status, row = self.call(f"/generations/{key}")
        assert status == 200, row
        return row  # type: ignore[no-any-return]

    def ended(self, key: str, seconds: float = 60) -> dict[str, Any]:
        found: dict[str, Any] = wait_for(
            lambda: (row := self.row(key))["status"] in ENDED and row, seconds, f"{key} to end"
        )
        return found

    def wallet(self) -> dict[str, Any]:
        return self.call("/wallet")[1]  # type: ignore[no-any-return]


LEFT_OUT = (
    "DATABASE_URL",
    "REDIS_URL",
    "STORAGE_URL",
    "SECRET_KEY",
    "FIELD_KEYS",
    "APP_URL",
    "PORT",
    "HOST",
    "DEBUG",
    "ALLOWED_HOSTS",
)


@contextmanager
def house(folder: Path, upstream_port: int, **more: str) -> Iterator[House]:
    made = House(folder, upstream_port, **more)
    try:
        yield made
    finally:
        made.stop()
