"""How kept files are sent: ranges, caching, and the headers that keep a stranger's file harmless."""

from __future__ import annotations

import asyncio
import os

import made_files as made
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import Http404
from django.test import AsyncRequestFactory, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from generations import assets, serving
from generations.models import Asset, Blob

DATA = os.urandom(600_000)
SHA = "ab" * 32


@pytest.fixture(autouse=True)
def _store(settings, tmp_path):
    made.fresh_store(settings, tmp_path / "var")
    default_storage.save("blobs/x", ContentFile(DATA))


def item(mime="video/mp4", name="", kind="video"):
    return Asset(kind=kind, mime=mime, name=name, blob=Blob(sha256=SHA, bytes=len(DATA), mime=mime, key="blobs/x"))


def get(thing=None, *, method="get", download=False, **headers):
    return serving.ranged(getattr(RequestFactory(), method)("/", headers=headers), thing or item(), download=download)


def body(response):
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_the_whole_file_is_sent_in_small_pieces():
    response = get()
    pieces = list(response.streaming_content)
    assert (response.status_code, b"".join(pieces)) == (200, DATA)
    assert max(map(len, pieces)) <= 256 * 1024
    assert response["Content-Length"] == str(len(DATA))
    assert response["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, 599_999),
        ("bytes=-50", 599_950, 599_999),
        ("bytes=599999-700000", 599_999, 599_999),
        ("bytes=-9999999", 0, 599_999),
        ("Bytes = 5 - 6", 5, 6),
    ],
)
def test_a_range_is_answered_with_that_part(asked, start, end):
    response = get(range=asked)
    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {start}-{end}/600000"
    assert response["Content-Length"] == str(end - start + 1)
    assert body(response) == DATA[start : end + 1]


@pytest.mark.parametrize("asked", ["bytes=600000-", "bytes=700000-800000", "bytes=-0"])
def test_a_range_outside_is_416_with_the_size(asked):
    response = get(range=asked)
    assert (response.status_code, response["Content-Range"], body(response)) == (416, "bytes */600000", b"")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1; x"])
def test_several_ranges_or_none_at_all_are_the_whole(asked):
    assert get(range=asked).status_code == 200


@given(st.integers(0, 50), st.none() | st.integers(0, 50), st.integers(0, 40))
def test_a_span_never_leaves_the_file(start, end, size):
    try:
        span = serving._span(f"bytes={start}-{'' if end is None else end}", size)
    except ValueError:
        assert start >= size
        return
    if span:
        assert 0 <= span[0] <= span[1] < size


def test_if_range_holds_only_for_the_same_file():
    assert get(range="bytes=0-9", **{"If-Range": f'"{SHA}"'}).status_code == 206
    assert get(range="bytes=0-9", **{"If-Range": '"other"'}).status_code == 200
    assert get(range="bytes=0-9", **{"If-Range": "Wed, 21 Oct 2015 07:28:00 GMT"}).status_code == 200


def test_head_has_the_headers_and_no_body():
    response = get(method="head", range="bytes=0-9")
    assert (response.status_code, response["Content-Length"], body(response)) == (200, "600000", b"")
    assert response["Content-Type"] == "video/mp4"
    assert response["ETag"] == f'"{SHA}"'


def test_what_the_browser_has_is_not_sent_again():
    response = get(**{"If-None-Match": f'"nothing", W/"{SHA}"'})
    assert (response.status_code, body(response), response["ETag"]) == (304, b"", f'"{SHA}"')


@pytest.mark.parametrize(
    ("mime", "inline"),
    [
        ("image/png", True),
        ("video/mp4", True),
        ("audio/mpeg", True),
        ("text/plain", True),
        ("image/svg+xml", False),
        ("text/html", False),
        ("application/pdf", False),
        ("application/json", False),
        ("model/gltf-binary", False),
        ("video/x-msvideo", False),
    ],
)
def test_only_harmless_kinds_are_shown(mime, inline):
    response = get(item(mime))
    assert response["Content-Disposition"].startswith("inline" if inline else "attachment")
    assert get(item(mime), download=True)["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"].startswith("sandbox")
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize("asked", ["bytes=0-1", "bytes=600000-", ""])
def test_every_answer_carries_the_same_protection(asked):
    response = get(range=asked)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Type"] == "video/mp4"


def test_text_says_how_it_is_written():
    assert get(item("text/plain", kind="text"))["Content-Type"] == "text/plain; charset=utf-8"


def test_the_name_of_a_file_is_quoted_and_ends_as_it_should():
    assert 'filename="cat.png"' in get(item("image/png", "cat.png", "image"))["Content-Disposition"]
    assert "filename*=utf-8''K%C3%A4tzchen.png" in get(item("image/png", "Kätzchen", "image"))["Content-Disposition"]
    evil = get(item("image/png", 'a"\r\nX-Evil: 1', "image"), download=True)
    assert "X-Evil" not in evil
    assert get(item().blob)["Content-Disposition"] == 'inline; filename="abababababab.mp4"'


def test_bytes_that_are_lost_are_not_found_rather_than_half_an_answer():
    default_storage.delete("blobs/x")
    with pytest.raises(Http404):
        get()


def test_an_async_server_gets_an_async_stream():
    async def fetch():
        response = serving.ranged(AsyncRequestFactory().get("/", headers={"range": "bytes=10-500009"}), item())
        assert response.is_async
        return response.status_code, b"".join([block async for block in response.streaming_content])

    assert asyncio.run(fetch()) == (206, DATA[10:500_010])


def test_an_async_reader_that_leaves_closes_the_file(monkeypatch):
    closed = []
    monkeypatch.setattr("generations.files.Blocks.close", lambda self: closed.append(True))

    async def leave():
        response = serving.ranged(AsyncRequestFactory().get("/"), item())
        stream = aiter(response.streaming_content)
        await anext(stream)
        await stream.aclose()

    asyncio.run(leave())
    assert closed


@pytest.mark.django_db
def test_a_signed_address_needs_no_one_to_be_signed_in(settings, tmp_path):
    settings.APP_URL = "https://studio.example"
    path = made.image(tmp_path / "x.png")
    asset = assets.keep(path, **made.someone(), kind="image", origin="generated")
    token = assets.signed_url(asset, seconds=60).rpartition("/")[2]
    response = serving.file_by_token(RequestFactory().get("/"), token)
    assert (response.status_code, body(response)) == (200, path.read_bytes())
    with pytest.raises(Http404):
        serving.file_by_token(RequestFactory().get("/"), token.replace(":", ";"))
    assert serving.file_by_token(RequestFactory().post("/"), token).status_code == 405


def test_signed_addresses_are_served_under_files():
    assert [str(route.pattern) for route in serving.urlpatterns] == ["files/<str:token>"]
