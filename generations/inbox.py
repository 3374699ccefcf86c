"""Results that came as bytes with the answer itself, made durable before anything about them is committed.

Under `inbox/<attempt>/<n>` in storage; emptied when the attempt's results are kept as assets.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.utils import timezone

from generations.models import Attempt
from generations.models.generations import LIVE
from providers.errors import ProviderError
from providers.types import Accepted, Done, Output

logger = logging.getLogger("mediagen.inbox")
ROOT = "inbox"
INLINE = 64 * 1024  # a longer text is bytes too
R = TypeVar("R", bound=Accepted | Done)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Output):
    """An output whose bytes lie in the inbox under `key`."""

    key: str = ""


# -- bytes --------------------------------------------------------------------------------------------------------------
def put(attempt_id: UUID, index: int, source: Path | bytes) -> str:
    """Store one result; again under the same number replaces it."""
    key = f"{ROOT}/{attempt_id}/{int(index)}"
    if isinstance(source, bytes):
        return default_storage.save(key, ContentFile(source))
    with source.open("rb") as file:
        return default_storage.save(key, File(file))


def open(key: str) -> File:
    return default_storage.open(_checked(key), "rb")


def path(key: str) -> AbstractContextManager[Path]:
    """A real path for as long as the context lasts; read only. FileNotFoundError when it is gone."""
    return default_storage.as_file(_checked(key))  # type: ignore[attr-defined]


def clear(attempt_id: UUID) -> None:
    """Safe to repeat, also when there never was anything."""
    folder = f"{ROOT}/{attempt_id}"
    for name in _listed(folder)[1]:
        default_storage.delete(f"{folder}/{name}")
    default_storage.delete(folder)  # a bucket has no folders and does not mind


def sweep(older_than: timedelta) -> int:
    """Clear what attempts of ended or vanished generations left behind that long ago; how many."""
    swept = 0
    for name in _listed(ROOT)[0]:
        if not _is_live(name) and _newest(name) < timezone.now() - older_than:
            clear(UUID(name))
            swept += 1
    return swept


def _checked(key: str) -> str:
    if not key.startswith(f"{ROOT}/"):
        raise ValueError(f"{key!r} is not in the inbox")
    return key


def _listed(folder: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []


def _is_live(name: str) -> bool:
    return Attempt.objects.filter(pk=UUID(name), generation__status__in=LIVE).exists()


def _newest(name: str) -> Any:
    files = [f"{ROOT}/{name}/{file}" for file in _listed(f"{ROOT}/{name}")[1]]
    return max(map(default_storage.get_modified_time, files), default=timezone.now() - timedelta(days=36500))


# -- outputs ------------------------------------------------------------------------------------------------------------
def kept(attempt_id: UUID, reply: R) -> R:
    """The same reply with every output's bytes in the inbox; addresses and short texts stay as they are."""
    if not isinstance(reply, Done):
        return reply
    return replace(
        reply, outputs=tuple(_kept(attempt_id, number, output) for number, output in enumerate(reply.outputs))
    )


def _kept(attempt_id: UUID, number: int, output: Output) -> Output:
    source = _bytes_of(output)
    if source is None:
        return output
    known = {part.name: getattr(output, part.name) for part in fields(Output)}
    return Kept(**{**known, "file": None, "b64": None, "text": None}, key=put(attempt_id, number, source))


def _bytes_of(output: Output) -> Path | bytes | None:
    if output.file is not None:
        return output.file
    if output.b64 is not None:
        return _decoded(output.b64)
    if output.text is not None and len(output.text) > INLINE // 4:
        return output.text.encode()
    return None


def _decoded(text: str) -> bytes:
    """Also as a data: address, without its padding, or in the alphabet of addresses."""
    plain = "".join(text.rpartition(",")[2].split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ProviderError("result_gone", "The provider sent a result that cannot be read.", charged=True) from None


def written(outputs: Iterable[Output]) -> list[dict[str, Any]]:
    """The outputs as the attempt's row keeps them; `read` is the way back."""
    return [_written(output) for output in outputs]


def _written(output: Output) -> dict[str, Any]:
    if output.file is not None or output.b64 is not None:
        raise ValueError("an output's bytes must be in the inbox before it is written down")
    row = {part.name: getattr(output, part.name) for part in fields(output) if part.name not in ("file", "b64")}
    return {**row, "facts": dict(output.facts)}


def read(rows: Iterable[Mapping[str, Any]]) -> list[Output]:
    return [
        Kept(**row) if row.get("key") else Output(**{name: row[name] for name in row if name != "key"}) for row in rows
    ]
