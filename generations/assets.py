"""The store of everything we keep: bytes by their SHA-256, once; a row per asset. The only writer of both.

Bytes go to storage before the row and outside any transaction: a crash between leaves bytes that the next run finds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.errors import Refused
from accounts.models import Workspace
from generations import faults, probing, scrubbing, sniffing
from generations.files import BLOCK, scratch
from generations.models import Asset, Blob, Generation
from generations.sniffing import BadFile
from providers.errors import ProviderError
from providers.http import guard
from providers.http.requests_driver import download

FILES = "files/"  # where signed addresses live, under APP_URL
_SIGNER = signing.TimestampSigner(salt="mediagen.files")
_DATA_ADDRESS = re.compile(r"data:[^,;]*(?:;[^,;]*?)*?(;base64)?,", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f/\\]+")


# -- keeping ------------------------------------------------------------------------------------------------------------
def keep(
    path: Path,
    *,
    workspace: Workspace,
    user: Any,
    kind: str,
    origin: str,
    generation: Generation | None = None,
    position: int = 0,
    role: str = "output",
    name: str = "",
    facts: Mapping[str, Any] | None = None,
) -> Asset:
    """Prove the file, store it, write its row; kind "" takes any. A place of a generation that is filled stays as it is.

    Raises BadFile when the file is not what it should be.
    """
    place = {"generation": generation, "role": role, "position": position}
    filled = Asset.objects.filter(**place).select_related("blob").first() if generation else None
    if filled:
        return filled
    found = probing.look(path, kind)
    row = {
        "workspace": workspace,
        "user": user,
        "kind": found.kind,
        "origin": origin,
        "blob": put_blob(path, found.mime),
        "mime": found.mime,
        "name": name[:200],
        "width": found.width,
        "height": found.height,
        "seconds": found.seconds,
        "text": found.text,
        "facts": {**(facts or {}), **found.facts},
        "created_at": timezone.now(),
    }
    if generation is None:
        return Asset.objects.create(**place, **row)
    return Asset.objects.get_or_create(**place, defaults=row)[0]


def put_blob(path: Path, mime: str) -> Blob:
    """The bytes in storage under their own digest, and their row; both only once, whoever brings them how often."""
    digest, size = _digest(path)
    key = f"blobs/{digest[:2]}/{digest[2:4]}/{digest}"
    if not _is_stored(key, size):
        with path.open("rb") as file:
            default_storage.save(key, File(file))
        if not _is_stored(key, size):
            raise OSError(f"Storage did not keep all {size} bytes of {key}.")
    faults.at("while_storing")
    return Blob.objects.get_or_create(sha256=digest, defaults={"bytes": size, "mime": mime, "key": key})[0]


def _digest(path: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
        return digest.hexdigest(), file.tell()


def _is_stored(key: str, size: int) -> bool:
    try:
        return default_storage.size(key) == size
    except FileNotFoundError:
        return False


def remove(asset: Asset) -> None:
    """Gone for everyone who looks; the bytes stay while anything else may point at them."""
    if asset.deleted_at is None:
        asset.deleted_at = timezone.now()
        asset.save(update_fields=["deleted_at"])


# -- from people and programs -------------------------------------------------------------------------------------------
def upload(file: Any, *, workspace: Workspace, user: Any, name: str = "") -> Asset:
    """A file from a form or a request body: anything with `chunks()`."""
    with _taking_in("file") as path:
        _receive(file, path)
        return _take_in(path, workspace=workspace, user=user, name=name or getattr(file, "name", "") or "")


def from_url(url: str, *, workspace: Workspace, user: Any, name: str = "") -> Asset:
    """What lies at an address, fetched through the guard."""
    with _taking_in("url") as path:
        try:
            guard.pin(url, settings.MEDIAGEN_PRIVATE_HOSTS)
            download(
                url,
                path,
                private_hosts=settings.MEDIAGEN_PRIVATE_HOSTS,
                max_bytes=settings.MEDIAGEN_MAX_UPLOAD,
                total_timeout=settings.MEDIAGEN_FETCH_SECONDS,
            )
        except (guard.Refused, guard.Unresolved, ValueError) as error:
            raise Refused("address_refused", _sentence(str(error))) from error
        except ProviderError as error:
            raise _refused_download(error) from error
        return _take_in(
            path, workspace=workspace, user=user, name=name or url.partition("?")[0].rstrip("/").rpartition("/")[2]
        )


def from_data_url(data: str, *, workspace: Workspace, user: Any, name: str = "") -> Asset:
    """A data: address, base64 or percent-encoded. What it says of its type is not believed."""
    with _taking_in("data") as path:
        head = _DATA_ADDRESS.match(data[:500])
        if head is None:
            raise BadFile("This is not a data: address. Write data:<type>;base64,<the bytes>.")
        if len(data) - head.end() > settings.MEDIAGEN_MAX_UPLOAD * 4 // 3 + 4:
            raise _too_large()
        try:
            body = data[head.end() :]
            path.write_bytes(base64.b64decode(body, validate=True) if head[1] else unquote_to_bytes(body))
        except (binascii.Error, ValueError):
            raise BadFile("The bytes of this data: address are not base64.") from None
        return _take_in(path, workspace=workspace, user=user, name=name)


@contextmanager
def _taking_in(field: str) -> Iterator[Path]:
    """A place for the bytes; what is wrong with them is said beside `field`."""
    try:
        with scratch() as folder:
            yield folder / "received"
    except BadFile as error:
        raise Refused("file_unusable", str(error), fields={field: [str(error)]}) from error
    except Refused as error:
        raise Refused(error.code, error.detail, status=error.status, fields={field: [error.detail]}) from error


def _receive(file: Any, path: Path) -> None:
    size = 0
    with path.open("wb") as target:
        for block in file.chunks():
            size += len(block)
            if size > settings.MEDIAGEN_MAX_UPLOAD:
                raise _too_large()
            target.write(block)


def _take_in(path: Path, *, workspace: Workspace, user: Any, name: str) -> Asset:
    if path.stat().st_size > settings.MEDIAGEN_MAX_UPLOAD:
        raise _too_large()
    clean = scrubbing.scrub(path, sniffing.check(path)[1], path.with_name("clean"))
    name = _UNPRINTABLE.sub(" ", name.replace("\\", "/").rpartition("/")[2]).strip()
    return keep(clean, workspace=workspace, user=user, kind="", origin="uploaded", role="input", name=name)


def _too_large() -> Refused:
    return Refused("file_too_large", f"At most {settings.MEDIAGEN_MAX_UPLOAD / 2**20:g} MB are allowed.")


def _refused_download(error: ProviderError) -> Refused:
    if "larger than" in error.message:
        return _too_large()
    return Refused("address_refused" if "refused" in error.message else "file_unusable", error.message)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


# -- reading ------------------------------------------------------------------------------------------------------------
def local_path(blob: Blob) -> AbstractContextManager[Path]:
    """A real path to the bytes for as long as the context lasts; read only. FileNotFoundError when they are lost."""
    return default_storage.as_file(blob.key)  # type: ignore[attr-defined]


def open_blob(blob: Blob) -> File:
    return default_storage.open(blob.key, "rb")


def signed_url(asset: Asset, *, seconds: int) -> str | None:
    """An address that opens this one file to whoever holds it, for a while; None when no one outside can reach us.

    It ends like a file name, because some providers look at that.
    """
    if not settings.APP_URL:
        return None
    return f"{settings.APP_URL}/{FILES}{_SIGNER.sign(f'{asset.pk.hex}-{int(seconds)}')}{sniffing.extension(asset.mime)}"


def check_signature(token: str) -> Asset | None:
    """The asset a signed address is for, while it is valid and the asset is there."""
    token = token.partition(".")[0]
    try:
        number, _, seconds = _SIGNER.unsign(token).partition("-")
        _SIGNER.unsign(token, max_age=int(seconds))
    except signing.BadSignature:
        return None
    return Asset.objects.filter(pk=UUID(number), deleted_at=None).select_related("blob").first()
