"""Bodies that may be sent twice and never sit in memory: files and multipart forms of known length."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..types import FilePart

BLOCK = 1 << 18


class FileChanged(Exception):
    """A file grew or shrank between preparing and sending."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Pieces in order, each with its size; iterating yields the same bytes every time."""

    pieces: tuple[tuple[bytes | Path, int], ...]

    @property
    def length(self) -> int:
        return sum(size for _, size in self.pieces)

    def __iter__(self) -> Iterator[bytes]:
        for source, size in self.pieces:
            if isinstance(source, bytes):
                yield source
            else:
                yield from _blocks(source, size)

    async def stream(self) -> AsyncIterator[bytes]:
        """The same, with disk reads kept off the event loop."""
        blocks = iter(self)
        while block := await asyncio.to_thread(next, blocks, b""):
            yield block


def _blocks(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        left = size
        while left:
            block = file.read(min(BLOCK, left))
            if not block:
                raise FileChanged(f"{path.name} became shorter while it was being sent")
            left -= len(block)
            yield block


def piece(source: bytes | Path) -> tuple[bytes | Path, int]:
    return source, len(source) if isinstance(source, bytes) else source.stat().st_size


def multipart(form: Mapping[str, str], files: Sequence[FilePart], boundary: str) -> Upload:
    """A form with files, in one spelling for every driver."""
    pieces: list[bytes | Path] = []
    for name, value in form.items():
        pieces.append(_head(boundary, f'name="{_quoted(name)}"') + f"{value}\r\n".encode())
    for part in files:
        disposition = f'name="{_quoted(part.name)}"; filename="{_quoted(part.filename)}"'
        pieces += [_head(boundary, disposition, part.mime), part.source, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return Upload(tuple(piece(source) for source in pieces if source != b""))


def _head(boundary: str, disposition: str, mime: str = "") -> bytes:
    kind = f"Content-Type: {mime}\r\n" if mime else ""
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n{kind}\r\n".encode()


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
