"""What a file is, by its bytes and never by its name. A kind that was not expected is refused with a plain sentence."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path

import filetype

HEAD = 8192
MAX_JSON = 64 * 2**20

# What each magic number stands for here; a type that is not in this table is not kept.
KIND_OF = {
    "image/png": "image",
    "image/jpeg": "image",
    "image/webp": "image",
    "image/gif": "image",
    "image/avif": "image",
    "image/bmp": "image",
    "image/tiff": "image",
    "video/mp4": "video",
    "video/webm": "video",
    "video/quicktime": "video",
    "video/x-matroska": "video",
    "video/x-msvideo": "video",
    "video/mpeg": "video",
    "video/3gpp": "video",
    "audio/mpeg": "audio",
    "audio/wav": "audio",
    "audio/ogg": "audio",
    "audio/flac": "audio",
    "audio/mp4": "audio",
    "audio/aac": "audio",
    "audio/aiff": "audio",
    "model/gltf-binary": "model3d",
    "model/gltf+json": "model3d",
    "model/obj": "model3d",
    "model/stl": "model3d",
    "text/plain": "text",
    "text/vtt": "text",
    "application/json": "data",
    "image/svg+xml": "data",
}
_EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/svg+xml": ".svg",
    "video/quicktime": ".mov",
    "video/x-matroska": ".mkv",
    "video/x-msvideo": ".avi",
    "video/mpeg": ".mpg",
    "video/3gpp": ".3gp",
    "video/ogg": ".ogv",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/x-matroska": ".mka",
    "model/gltf-binary": ".glb",
    "model/gltf+json": ".gltf",
    "text/plain": ".txt",
}  # the others end as their type does
_OTHER_NAMES = {
    "audio/x-wav": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-aiff": "audio/aiff",
    "video/x-m4v": "video/mp4",
    "image/apng": "image/png",
    "audio/m4a": "audio/mp4",
}
_WORDS = {"model3d": "a 3D model", "data": "data", "text": "text", "audio": "audio", "media": "media"}
# Containers that hold sound with or without pictures: only a look inside (probing) can tell.
EITHER_WAY = {"video/mp4", "video/webm", "video/quicktime", "video/x-matroska", "video/3gpp", "audio/ogg", "audio/mp4"}

_SVG = re.compile(rb"<(?:\w+:)?svg[\s>]", re.IGNORECASE)
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|script)\b", re.IGNORECASE | re.DOTALL)
_OBJ = re.compile(rb"^v\s+-?[\d.]+(?:e-?\d+)?\s+-?[\d.]", re.MULTILINE | re.IGNORECASE)
_BOM = b"\xef\xbb\xbf"


class BadFile(Exception):
    """This file cannot be kept; the message is plain and safe to show."""


def check(path: Path, expected_kind: str = "") -> tuple[str, str]:
    """(kind, mime) of the file; BadFile when it is empty, unknown or not of the expected kind ("" expects any)."""
    kind, mime = sniff(path)
    if expected_kind == "text" and _reads_as_text(path):
        return "text", mime if mime == "text/vtt" else "text/plain"  # whatever the text is written in
    if mime == "text/html":
        raise BadFile(f"This is an HTML page, not {_article(expected_kind or 'media')}.")
    if not kind:
        raise BadFile("This type of file is not known here.")
    if expected_kind in ("", kind) or ({expected_kind, kind} == {"audio", "video"} and mime in EITHER_WAY):
        return kind, mime
    raise BadFile(f"This is {_article(kind)} ({mime}), not {_article(expected_kind)}.")


def extension(mime: str) -> str:
    return _EXTENSIONS.get(mime) or "." + mime.rpartition("/")[2]


def sniff(path: Path) -> tuple[str, str]:
    """(kind, mime); kind is "" for what is never kept."""
    size = path.stat().st_size
    if not size:
        raise BadFile("The file is empty.")
    with path.open("rb") as file:
        head = file.read(HEAD)
    mime = next((mime for mime, fits in _BY_HEAD if fits(head)), "") or _by_magic(head)
    mime = mime or ("model/stl" if _is_binary_stl(head, size) else "") or _of_text(path, head)
    return KIND_OF.get(mime, ""), mime


def _by_magic(head: bytes) -> str:
    found = filetype.guess(head)
    mime = _OTHER_NAMES.get(found.mime, found.mime) if found else ""
    return mime if mime in KIND_OF else "application/octet-stream" if mime else ""


def _is_mp3(head: bytes) -> bool:
    """A frame header without the tag before it: sync, a real version, layer III, a real bit rate."""
    return (
        len(head) > 3
        and head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and head[1] & 0x18 != 0x08
        and head[2] >> 4 not in (0, 15)
    )


def _is_mp4(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] not in (
        b"avif",
        b"avis",
        b"heic",
        b"heix",
        b"mif1",
        b"msf1",
        b"M4A ",
        b"qt  ",
    )


# Before the library's: what it does not know, or calls otherwise than its content.
_BY_HEAD: list[tuple[str, Callable[[bytes], bool]]] = [
    ("model/gltf-binary", lambda head: head.startswith(b"glTF")),
    ("audio/flac", lambda head: head.startswith(b"fLaC")),
    ("audio/ogg", lambda head: head.startswith(b"OggS")),
    ("audio/mp4", lambda head: head[4:11] == b"ftypM4A"),
    ("audio/aac", lambda head: len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0),
    ("video/quicktime", lambda head: head[4:12] == b"ftypqt  "),
    ("video/3gpp", lambda head: head[4:10] == b"ftyp3g"),
    ("video/mp4", _is_mp4),
    ("audio/mpeg", _is_mp3),
]


def _is_binary_stl(head: bytes, size: int) -> bool:
    return len(head) >= 84 and size == 84 + 50 * struct.unpack_from("<I", head, 80)[0]


def _of_text(path: Path, head: bytes) -> str:
    text = head.removeprefix(_BOM)
    if _HTML.match(text):
        return "text/html"
    if text.lstrip().startswith(b"<") and _SVG.search(text):
        return "image/svg+xml"
    if text.lstrip().startswith((b"{", b"[")) and (mime := _of_json(path)):
        return mime
    if text.startswith(b"solid") and b"facet" in text:
        return "model/stl"
    if not _reads_as_text(path):
        return "application/octet-stream"
    if text.startswith(b"WEBVTT"):
        return "text/vtt"
    return "model/obj" if _OBJ.search(text) else "text/plain"


def _of_json(path: Path) -> str:
    if path.stat().st_size > MAX_JSON:
        return ""
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return ""
    asset = data.get("asset") if isinstance(data, dict) else None
    return "model/gltf+json" if isinstance(asset, dict) and "version" in asset else "application/json"


def _reads_as_text(path: Path) -> bool:
    """UTF-8 from beginning to end, without the control characters of binary files."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            while block := file.read(1 << 18):
                if "\0" in block:
                    return False
    except UnicodeDecodeError:
        return False
    return True


def _article(kind: str) -> str:
    return _WORDS.get(kind) or f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
