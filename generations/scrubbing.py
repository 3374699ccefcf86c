"""Takes the place and the camera out of uploaded files, without touching pictures or sound where the format allows it."""

from __future__ import annotations

import re
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import ImageOps

from generations import media
from generations.sniffing import BadFile

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_PNG_PRIVATE = (b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME")
_MP4_PRIVATE = (b"udta", b"meta", b"uuid")
_MP4_INSIDE = (b"moov", b"trak")
_SAVED_AS = {"image/jpeg": {"quality": 95}, "image/webp": {"quality": 95}, "image/avif": {"quality": 90}}


def scrub(path: Path, mime: str, target: Path) -> Path:
    """The file to keep: `target`, cleaned, or `path` itself when its format carries nothing of the kind."""
    try:
        if mime in _BOXES:
            return _clean_boxes(path, target)
        if mime in _REWRITE and not _must_redraw(path, mime):
            target.write_bytes(_REWRITE[mime](path.read_bytes()))
            return target
        return _redraw(path, mime, target) if mime in _REDRAWN else path
    except (IndexError, struct.error) as error:
        raise BadFile("This file is damaged and cannot be opened.") from error


def _must_redraw(path: Path, mime: str) -> bool:
    """Turned by a note to the viewer: the note goes with the rest, so the picture itself must be turned."""
    with media.open_image(path, mime) as image:
        return media.orientation(image) != 1 and not getattr(image, "is_animated", False)


def _redraw(path: Path, mime: str, target: Path) -> Path:
    with media.open_image(path, mime) as image:
        if mime not in _REWRITE and not (image.getexif() or image.info.get("xmp")):
            return path
        upright = ImageOps.exif_transpose(image)
        upright.info = {}  # some writers copy what they find there
        lossless = {"lossless": True} if b"VP8L" in path.read_bytes()[:64] else {}
        icc = {"icc_profile": image.info["icc_profile"]} if "icc_profile" in image.info else {}
        upright.save(target, media.IMAGE_FORMATS[mime], **_SAVED_AS.get(mime, {}), **icc, **lossless)
    return target


def _jpeg(data: bytes) -> bytes:
    """Keeps what draws the picture and its colour profile; whatever follows its end (a film, a second picture) goes."""
    kept = [b"\xff\xd8"]
    at = 2
    while data[at + 1] != 0xD9:
        if data[at] != 0xFF:
            raise BadFile("This image is damaged and cannot be opened.")
        if data[at + 1] == 0xFF:  # filling
            at += 1
            continue
        until = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xDA:  # the picture's own data, up to the next real marker
            found = _MARKER.search(data, until)
            until = found.start() if found else len(data)
        if not _jpeg_private(data[at + 1], data[at + 4 : at + 16]):
            kept.append(data[at:until])
        at = until
    return b"".join([*kept, b"\xff\xd9"])


def _jpeg_private(marker: int, head: bytes) -> bool:
    if marker == 0xE2:
        return not head.startswith(b"ICC_PROFILE")
    return 0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)  # notes of applications, comments


def _png(data: bytes) -> bytes:
    kept, at = [data[:8]], 8
    while at + 12 <= len(data):
        until = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if kind not in _PNG_PRIVATE:
            kept.append(data[at:until])
        at = until if kind != b"IEND" else len(data)
    return b"".join(kept)


def _webp(data: bytes) -> bytes:
    kept, at = [], 12
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= end:
        kind, size = struct.unpack_from("<4sI", data, at)
        chunk = data[at : at + 8 + size + size % 2]
        if kind == b"VP8X":  # its flags announce what is taken out
            chunk = chunk[:8] + bytes([chunk[8] & ~0x0C]) + chunk[9:]
        if kind not in (b"EXIF", b"XMP "):
            kept.append(chunk)
        at += 8 + size + size % 2
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _clean_boxes(path: Path, target: Path) -> Path:
    """Renames the boxes of notes to `free` and empties them: no other byte moves, so every index stays right."""
    shutil.copyfile(path, target)
    with target.open("r+b") as file:
        for start, head, size in list(_private_boxes(file, 0, target.stat().st_size)):
            file.seek(start + 4)
            file.write(b"free")
            file.seek(start + head)
            _zero(file, size - head)
    return target


def _private_boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    while start + 8 <= end:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 16 if size == 1 else 8
        size = int.from_bytes(file.read(8), "big") if size == 1 else size or end - start
        if size < head or start + size > end:
            return  # cut off: probing says so
        if kind in _MP4_PRIVATE:
            yield start, head, size
        elif kind in _MP4_INSIDE:
            yield from _private_boxes(file, start + head, start + size)
        start += size


def _zero(file: BinaryIO, count: int) -> None:
    while count:
        count -= file.write(bytes(min(count, 1 << 18)))


_REWRITE: dict[str, Callable[[bytes], bytes]] = {"image/jpeg": _jpeg, "image/png": _png, "image/webp": _webp}
_REDRAWN = {*_REWRITE, "image/avif", "image/tiff"}
_BOXES = {"video/mp4", "video/quicktime", "video/3gpp", "audio/mp4"}
