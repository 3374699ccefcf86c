"""Long base64 strings of a JSON body become files, so that megabytes of media never become one Python string.

Opt-in per request: an 80 kB string of hex digits looks like base64 too.
"""

from __future__ import annotations

import binascii
import mmap
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LONG = 1 << 16
_STEP = 1 << 20
_DATA_ADDRESS = re.compile(rb"data:[^,\"\\]{0,100};base64,")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_TO_PLAIN = bytes.maketrans(b"-_", b"+/")


def spill(body: Path, folder: Path | None) -> tuple[bytes, dict[str, Path]]:
    """(the JSON with each long base64 string replaced by a random key, key -> decoded file)."""
    files: dict[str, Path] = {}
    kept: list[bytes] = []
    done = 0
    if not body.stat().st_size:
        return b"", files
    with body.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        for start, end in _long_strings(text):
            path = _decoded(text, start, end, folder)
            if path is None:
                continue
            key = f"spilled-{secrets.token_hex(16)}"  # random: a provider must not be able to name one
            files[key] = path
            kept += [text[done:start], key.encode()]
            done = end
        kept.append(text[done:])
    return b"".join(kept), files


def _long_strings(text: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Spans between two quotes far apart; those that prove to be base64 are whole strings, by JSON's grammar."""
    start = text.find(b'"')
    while start != -1:
        end = text.find(b'"', start + 1)
        if end - start > LONG and text[start - 1 : start] != b"\\":
            yield start + 1, end
        start = end


def _decoded(text: mmap.mmap, start: int, end: int, folder: Path | None) -> Path | None:
    prefix = _DATA_ADDRESS.match(text[start : start + 130])
    start += prefix.end() if prefix else 0
    handle = tempfile.NamedTemporaryFile(prefix="spilled-", dir=folder, delete=False)  # noqa: SIM115 - outlives us
    path = Path(handle.name)
    with handle:
        whole = all(_write(handle, block) for block in _quads(text, start, end))
    if not whole:
        path.unlink()
    return path if whole else None


def _quads(text: mmap.mmap, start: int, end: int) -> Iterator[bytes | None]:
    """The string in blocks of whole base64 groups, the last padded; None where it is not base64."""
    tail = text[end - 2 : end]
    end -= len(tail) - len(tail.rstrip(b"="))
    rest = b""
    for at in range(start, end, _STEP):
        rest += text[at : min(at + _STEP, end)]
        held = b"\\" if rest.endswith(b"\\") and at + _STEP < end else b""  # half of a `\\/`
        body = rest.removesuffix(held).replace(b"\\/", b"/").translate(_TO_PLAIN)
        if body.translate(None, _ALPHABET):
            yield None
            return
        cut = len(body) // 4 * 4
        yield body[:cut]
        rest = body[cut:] + held
    if rest:
        yield None if len(rest) == 1 else rest + b"=" * (4 - len(rest))


def _write(handle: IO[bytes], block: bytes | None) -> bool:
    if block is not None:
        handle.write(binascii.a2b_base64(block))
    return block is not None
