"""Bytes on their way: read in blocks, and put for a while in a folder that goes away again."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

BLOCK = 1 << 18


class Blocks:
    """`length` bytes of an open stream, at most 256 kB at a time; closes the stream at the end, or when told to."""

    def __init__(self, stream: Any, length: int) -> None:
        self._stream = stream
        self._left = length

    def __iter__(self) -> Blocks:
        return self

    def __next__(self) -> bytes:
        block = self._stream.read(min(BLOCK, self._left)) if self._left else b""
        if not block:
            self.close()
            raise StopIteration
        self._left -= len(block)
        return block

    def close(self) -> None:
        self._left = 0
        self._stream.close()


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder under VAR_DIR/tmp, gone at the end."""
    root = settings.VAR_DIR / "tmp"
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix="media-", dir=root) as folder:
        yield Path(folder)


def sweep_scratch(older_than: float) -> int:
    """Remove the folders (of processes that were killed) untouched for `older_than` seconds; how many."""
    old = [
        path for path in (settings.VAR_DIR / "tmp").glob("media-*") if time.time() - path.stat().st_mtime > older_than
    ]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return len(old)
