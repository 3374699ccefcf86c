"""Sends kept files: whole or in part, never as anything but what they were found to be, shown only if harmless."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from django.core.files.storage import default_storage
from django.core.handlers.asgi import ASGIRequest
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
    StreamingHttpResponse,
)
from django.urls import path
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from generations import assets
from generations.files import Blocks
from generations.models import Asset, Blob
from generations.sniffing import extension

# Everything else is saved, not shown.
INLINE = {
    *("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"),
    *(
        "video/mp4",
        "video/webm",
        "audio/mpeg",
        "audio/wav",
        "audio/ogg",
        "audio/flac",
        "audio/mp4",
        "audio/webm",
        "audio/aac",
    ),
    "text/plain",
}
HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, max-age=31536000, immutable",
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self'; media-src 'self'",
    "X-Content-Type-Options": "nosniff",
}
_RANGE = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)


def ranged(request: HttpRequest, item: Blob | Asset, *, download: bool = False) -> HttpResponseBase:
    """The bytes, or the one range that was asked for. Several ranges at once are answered with the whole."""
    blob = item.blob if isinstance(item, Asset) else item
    etag = f'"{blob.sha256}"'
    if etag in _etags(request.headers.get("If-None-Match", "")):
        response: HttpResponseBase = HttpResponseNotModified()
    else:
        response = _answer(request, blob, etag)
        response["Content-Type"] = f"{item.mime}; charset=utf-8" if item.mime.startswith("text/") else item.mime
        saved = download or item.mime not in INLINE
        response["Content-Disposition"] = content_disposition_header(saved, _file_name(item)) or "inline"
    for name, value in {**HEADERS, "ETag": etag}.items():
        response[name] = value
    return response


def _etags(header: str) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


def _answer(request: HttpRequest, blob: Blob, etag: str) -> HttpResponseBase:
    if request.method == "HEAD":
        return HttpResponse(headers={"Content-Length": str(blob.bytes)})
    wanted = request.headers.get("Range", "")
    if request.headers.get("If-Range", etag) != etag:
        wanted = ""
    try:
        span = _span(wanted, blob.bytes)
    except ValueError:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{blob.bytes}"})
    if span is None:
        return _stream(request, blob, 0, blob.bytes, status=200)
    start, end = span
    response = _stream(request, blob, start, end - start + 1, status=206)
    response["Content-Range"] = f"bytes {start}-{end}/{blob.bytes}"
    return response


def _span(header: str, size: int) -> tuple[int, int] | None:
    """(first, last) byte; None for the whole. ValueError: nothing of it lies in the file."""
    found = _RANGE.fullmatch(header.strip())
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(size - int(found[2]), 0), size - 1
    else:
        start, end = int(found[1]), min(int(found[2] or size - 1), size - 1)
        if found[2] and int(found[2]) < start:
            return None  # not a range at all, so it counts as not asked for
    if start > end or start >= size:
        raise ValueError("not in the file")
    return start, end


def _stream(request: HttpRequest, blob: Blob, start: int, length: int, *, status: int) -> StreamingHttpResponse:
    try:
        blocks = default_storage.blocks(blob.key, start, length)  # type: ignore[attr-defined]
    except FileNotFoundError:
        raise Http404("The bytes of this file are lost.") from None
    body = _drip(blocks) if isinstance(request, ASGIRequest) else blocks
    return StreamingHttpResponse(body, status=status, headers={"Content-Length": str(length)})


async def _drip(blocks: Blocks) -> AsyncIterator[bytes]:
    """Each read in a thread of its own choice: a slow disk holds up no one else."""
    try:
        while block := await asyncio.to_thread(next, blocks, b""):
            yield block
    finally:
        blocks.close()


def _file_name(item: Blob | Asset) -> str:
    if isinstance(item, Blob):
        return f"{item.sha256[:12]}{extension(item.mime)}"
    name = item.name or f"{item.kind}-{item.pk.hex[:8]}"
    return name if "." in name[-6:] else name + extension(item.mime)


@require_safe
def file_by_token(request: HttpRequest, token: str) -> HttpResponseBase:
    """A signed address: how a provider fetches an input. No session, no key; the signature is the right."""
    asset = assets.check_signature(token)
    if asset is None:
        raise Http404("This address is not valid, or no longer.")
    return ranged(request, asset)


urlpatterns = [path(f"{assets.FILES}<str:token>", file_by_token, name="file")]
