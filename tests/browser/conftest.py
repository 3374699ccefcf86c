"""A real Chromium against the real site: uvicorn and the workers in threads, the test's own database.

`page` fails its test on a console error, a script error, or any request that leaves this machine.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser_work import PHONE, WIDE, person, signed_in, until

from mediagen_site import browser as chromium

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # the driver owns a loop in the test's thread

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
HERE = {"127.0.0.1", "localhost", ""}


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = chromium.find()
    if path is None:
        pytest.fail(chromium.HOW)
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def site(transactional_db: None) -> Iterator[str]:
    """The address of the site; its thread ends before the database is emptied."""
    import uvicorn
    from django.core.asgi import get_asgi_application

    config = uvicorn.Config(
        get_asgi_application(), port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def workers(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the three clusters do, in one thread, in slices so short that it stops soon after it is told to."""
    from django.db import connections

    from generations import tasks

    stop = threading.Event()
    monkeypatch.setattr(tasks, "SLICE", 0.5)

    def work() -> None:
        while not stop.wait(0.1):
            for cluster in ("io", "default", "poll"):
                with contextlib.suppress(Exception):  # the database is emptied under it at the end
                    tasks.work(cluster)
        connections.close_all()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(30)


class Visitor:
    """One browser window; `troubles` collects what must not happen."""

    def __init__(self, context: Any, site: str) -> None:
        self.context, self.site = context, site
        self.troubles: list[str] = []
        self.expected: list[str] = []
        self.page = context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.troubles.append(f"script error: {error}"))
        self.page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        if message.type == "error" and not any(words in message.text for words in self.expected):
            self.troubles.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname not in HERE:
            self.troubles.append(f"left this machine: {request.url}")

    def go(self, path: str = "/") -> Any:
        self.page.goto(self.site + path)
        return self.page


@pytest.fixture
def visit(chrome: Any, site: str) -> Iterator[Callable[..., Visitor]]:
    """`visit(user, …)`: a signed-in window of this size and theme."""
    opened: list[Visitor] = []

    def visit(user: Any = None, *, size: tuple[int, int] = WIDE, theme: str = "dark", **more: Any) -> Visitor:
        context = chrome.new_context(
            viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", has_touch=size == PHONE, **more
        )
        cookies = [{"name": "theme", "value": theme, "url": site}]
        if user is not None:
            cookies.append({"name": "sessionid", "value": signed_in(user).cookies["sessionid"].value, "url": site})
        context.add_cookies(cookies)
        context.set_default_timeout(15_000)
        opened.append(Visitor(context, site))
        return opened[-1]

    yield visit
    troubles = [trouble for one in opened for trouble in one.troubles]
    for one in opened:
        one.context.close()
    assert troubles == []


@pytest.fixture
def anna(transactional_db: None) -> Any:
    """A person with credits, for tests whose database other threads read."""
    return person("anna")
