"""Where an answer's bytes go, the same for every driver: memory, a file, an event fold; always under a cap."""

from __future__ import annotations

import os
import secrets
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ..errors import ProviderError, TransportError
from ..types import Reply
from .spill import spill
from .sse import EventFold
from .wire import Wire

IN_MEMORY = 64 << 20
ON_DISK = 8 << 30
SPILLED = 1 << 30
OF_AN_ERROR = 1 << 20
_BLOCK = 1 << 18


class Sink:
    """`feed` chunks until it returns True or they end, `close` for the Reply, and `abandon` in any case."""

    def __init__(self, wire: Wire, status: int, headers: Mapping[str, str], *, keep_raw: bool = False) -> None:
        self.status, self.headers, self.raw = (
            status,
            {name.lower(): value for name, value in headers.items()},
            bytearray(),
        )
        self._wire, self._keep_raw, self._size = wire, keep_raw, 0
        self._memory = bytearray()
        self._inflate = _decoder(self.headers.get("content-encoding", ""))
        good, kind = 200 <= status < 300, self.headers.get("content-type", "").lower()
        self._fold = EventFold(wire.on_event) if good and wire.on_event and not _plain(kind) else None
        self._part = _part(wire) if good and not self._fold else None
        self._file: BinaryIO | None = self._part.open("wb") if self._part else None
        default = ON_DISK if wire.into else SPILLED if wire.spill else IN_MEMORY
        self._cap = (wire.max_bytes or default) if good else OF_AN_ERROR
        self._truncates = status >= 300  # an endless error page needs no better answer than its beginning
        self.on_disk = self._file is not None

    def feed(self, chunk: bytes) -> bool:
        """True: enough seen, stop reading."""
        if self._keep_raw:
            self.raw += chunk
        return any(self._take(block) for block in self._plain(chunk))

    def close(self) -> Reply:
        if self._inflate and self._size and not self._inflate.eof and not (self._truncates or self._fold):
            raise TransportError("cut", "the answer broke off", sent=True)
        if self._file is None or self._part is None:
            return Reply(self.status, self.headers, bytes(self._memory))
        self._file.close()
        if self._wire.into:
            os.replace(self._part, self._wire.into)
            return Reply(self.status, self.headers, file=self._wire.into)
        content, files = spill(self._part, self._wire.scratch)
        return Reply(self.status, self.headers, content, spilled=files)

    def abandon(self) -> None:
        if self._file and self._part:
            self._file.close()
            self._part.unlink(missing_ok=True)

    def _take(self, block: bytes) -> bool:
        self._size += len(block)
        if self._size > self._cap:
            if self._truncates:
                return True
            raise TransportError("too_large", f"the answer is larger than {self._cap} bytes", sent=True)
        if self._fold:
            return self._fold.feed(block)
        if self._file:
            self._file.write(block)
        else:
            self._memory += block
        return False

    def _plain(self, chunk: bytes) -> Iterator[bytes]:
        """Decompressed in bounded steps: a small body may unpack to anything."""
        if self._inflate is None:
            yield chunk
            return
        try:
            while chunk:
                yield self._inflate.decompress(chunk, _BLOCK)
                chunk = self._inflate.unconsumed_tail
        except zlib.error as error:
            raise ProviderError("bad_reply", "The answer is wrongly compressed.") from error


def _decoder(encoding: str) -> zlib._Decompress | None:
    if encoding.strip().lower() in ("", "identity"):
        return None
    if encoding.strip().lower() in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(47)
    raise ProviderError("bad_reply", f"The answer is compressed as {encoding[:20]!r}, which was not asked for.")


def _plain(kind: str) -> bool:
    return "json" in kind or "html" in kind


def _part(wire: Wire) -> Path | None:
    """Beside the target, so that the final rename is atomic."""
    if wire.into:
        return wire.into.with_name(f".{wire.into.name}.{secrets.token_hex(6)}.part")
    if wire.spill:
        handle, name = tempfile.mkstemp(prefix="reply-", dir=wire.scratch)
        os.close(handle)
        return Path(name)
    return None
