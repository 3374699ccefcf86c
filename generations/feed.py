"""The live stream of a workspace: one reader per web process asks what changed and fans it out to everyone listening.

Cost does not grow with viewers: a quiet process asks nothing, a watched one asks once every 0.4 s. Each listener's mailbox
holds the newest row per generation, so a slow one gets fewer rows, never old ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.db import connection

from . import changes
from .changes import Frame, Reader
from .models.generations import TERMINAL

logger = logging.getLogger("mediagen.feed")
T = TypeVar("T")

LOOK = 0.4  # seconds between looks; at least the 250 ms within which changes of one row are one frame
PING = 15.0
LIFE = 300.0  # a stream ends then and the client resumes: access is checked again, servers can be replaced
LINGER = 5.0
HELLO = b"retry: 2000\n: connected\n\n"
PONG = b": ping\n\n"


class Mailbox:
    """What one listener has not been sent yet: per generation only the newest."""

    def __init__(self, workspace: int, generation: str | None) -> None:
        self.workspace = workspace
        self.generation = generation
        self._waiting: dict[str, Frame] = {}
        self._sent: dict[str, int] = {}
        self._filled = asyncio.Event()

    def put(self, frame: Frame) -> None:
        """Kept until it is taken, unless it is someone else's or says what was said last."""
        mine = frame.workspace == self.workspace and self.generation in (None, frame.generation)
        if mine and self._sent.get(frame.generation) != hash(frame.data):
            self._waiting[frame.generation] = frame
            self._filled.set()

    def sent(self, frames: Iterable[Frame]) -> None:
        """The listener has these, by whatever way; the same again need not wait here."""
        self._sent |= {frame.generation: hash(frame.data) for frame in frames}
        self._waiting = {
            name: frame for name, frame in self._waiting.items() if self._sent.get(name) != hash(frame.data)
        }
        if not self._waiting:
            self._filled.clear()

    async def take(self, timeout: float) -> list[Frame]:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._filled.wait(), timeout)
        found = list(self._waiting.values())
        self.sent(found)
        return found


class Hub:
    """The reader of this process and its listeners. Runs on the loop; the database is asked on a thread of its own."""

    def __init__(self) -> None:
        self._boxes: set[Mailbox] = set()
        self._task: asyncio.Task[None] | None = None
        self._reader: Reader | None = None
        self._watched = 0.0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="feed")
        self._ready = asyncio.Event()

    @contextlib.asynccontextmanager
    async def listen(self, workspace: int, generation: str | None) -> AsyncIterator[Mailbox]:
        box = Mailbox(workspace, generation)
        self._boxes.add(box)
        try:
            if self._task is None or self._task.done():
                self._ready.clear()
                self._task = asyncio.create_task(self._run())
            await self._ready.wait()
            yield box
        finally:
            self._boxes.discard(box)

    async def ask(self, question: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, question, *args)

    async def _run(self) -> None:
        """Until nobody has listened for a while. A database that is away for a moment is asked again."""
        alone_since = 0.0
        while not alone_since or time.monotonic() - alone_since < LINGER:
            workspaces = {box.workspace for box in self._boxes}
            alone_since = 0.0 if workspaces else alone_since or time.monotonic()
            try:
                for frame in await self.ask(self._look, workspaces):
                    for box in self._boxes:
                        box.put(frame)
                self._ready.set()
            except Exception:
                logger.warning("the live stream could not read what changed", exc_info=True)
                await self.ask(_close)
            await asyncio.sleep(LOOK)
        self._task = self._reader = None  # whoever listens from here on starts anew
        await self.ask(_close)

    def _look(self, workspaces: set[int]) -> list[Frame]:
        """On the hub's own thread."""
        reader = self._reader = self._reader or Reader.from_now()
        if workspaces and time.monotonic() - self._watched > changes.WATCH_SECONDS / 2:
            changes.watch(workspaces)
            self._watched = time.monotonic()
        return reader.read(workspaces) if workspaces else []


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """This loop's; a server has one loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


async def stream(workspace: int, last: int | None = None, generation: str | None = None) -> AsyncIterator[bytes]:
    """Frames as bytes: what changed since `last`, then what changes. For one generation: its row first, until its end."""
    here = hub()
    async with here.listen(workspace, generation) as box:
        yield HELLO
        missed = await here.ask(_missed, workspace, last, generation)
        box.sent(missed)
        yield b"".join(frame.sse for frame in missed)
        ends = time.monotonic() + LIFE
        while time.monotonic() < ends and not _over(missed, generation):
            missed = await box.take(PING)
            yield b"".join(frame.sse for frame in missed) or PONG


def stream_sync(workspace: int, last: int | None = None, generation: str | None = None) -> Iterator[bytes]:
    """The same for servers without a loop: each listener asks for itself."""
    reader = Reader.from_now()
    yield HELLO
    missed = _missed(workspace, last, generation)
    yield b"".join(frame.sse for frame in missed)
    sent = {frame.generation: frame.data for frame in missed}
    ends, pinged = time.monotonic() + LIFE, time.monotonic()
    while time.monotonic() < ends and not _over(missed, generation):
        found = [frame for frame in reader.read({workspace}) if generation in (None, frame.generation)]
        missed = [frame for frame in found if sent.get(frame.generation) != frame.data]
        sent |= {frame.generation: frame.data for frame in missed}
        if missed or time.monotonic() - pinged > PING:
            changes.watch({workspace})
            pinged = time.monotonic()
            yield b"".join(frame.sse for frame in missed) or PONG
        let_go()
        time.sleep(LOOK)


def _close() -> None:
    """Named, because which connection is meant is decided by the thread that asks."""
    connection.close()


def let_go() -> None:
    """Close this thread's connection unless a transaction is open on it: a stream may live for minutes."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def _missed(workspace: int, last: int | None, generation: str | None) -> list[Frame]:
    if generation is not None:
        return changes.frames([generation], sequence=changes.last_event())
    return changes.since(last, workspace) if last is not None else []


def _over(frames: list[Frame], generation: str | None) -> bool:
    """The stream of one generation ends with its last row."""
    return generation is not None and any(frame.status in TERMINAL for frame in frames)
