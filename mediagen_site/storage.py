"""Where media lies: files in VAR_DIR/media, or a bucket when STORAGE_URL names one. Nothing is ever renamed.

Both kinds know three things more than Django asks for: `blocks` (a range, piece by piece), `as_file` (a real path)
and `ping` (does it work).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage

from generations.files import BLOCK, Blocks


class LocalStorage(FileSystemStorage):
    """Files only this user may read, each written whole or not at all."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: File) -> str:
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
        try:
            with open(part, "xb", opener=_private) as file:
                _copy(content, file)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(target.parent)
        return name

    def blocks(self, name: str, start: int, length: int) -> Blocks:
        file = open(self.path(name), "rb")  # noqa: SIM115  Blocks closes it
        file.seek(start)
        return Blocks(file, length)

    @contextlib.contextmanager
    def as_file(self, name: str) -> Iterator[Path]:
        path = Path(self.path(name))
        if not path.is_file():
            raise FileNotFoundError(f"{name} is not in storage")
        yield path

    def ping(self) -> None:
        """Raises OSError when nothing can be written."""
        Path(self.location).mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=self.location) as file:
            file.write(b"1")


def MediaStorage() -> Storage:
    """What settings.STORAGES names: the kind STORAGE_URL asks for."""
    if not settings.STORAGE_URL:
        return LocalStorage(location=settings.VAR_DIR / "media", base_url=None)
    from .bucket import BucketStorage, read_url  # its library is 30 MB of memory: only for those who use it

    return BucketStorage(**read_url(settings.STORAGE_URL))


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _copy(content: File, file: BinaryIO) -> None:
    for chunk in content.chunks(BLOCK):
        file.write(chunk.encode() if isinstance(chunk, str) else chunk)
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Without this the new name itself may not survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
