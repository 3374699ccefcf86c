"""Files through the interface: sent, fetched, listed, and their bytes in whole or in part."""

from __future__ import annotations

import io
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image

from generations.models import Asset

pytestmark = pytest.mark.django_db
URL = "/api/v1/assets"
ROW = {
    *("id", "object", "kind", "mime", "bytes", "sha256", "width", "height", "seconds", "text", "facts", "url"),
    *("thumbnail_url", "name", "role", "origin", "favourite", "generation", "created_at"),
}


@pytest.fixture
def client(api, alice, studio_space):
    return api(alice)


def picture(colour: str = "red") -> SimpleUploadedFile:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(buffer, "PNG")
    return SimpleUploadedFile("boat.png", buffer.getvalue(), "image/png")


def sent(client, **more) -> dict:
    reply = client.post(URL, {"file": picture(), **more}, format="multipart")
    assert reply.status_code == 201, reply.content
    return reply.json()


def test_a_sent_file_is_kept_and_described(client):
    row = sent(client)
    assert set(row) == ROW
    assert (row["kind"], row["mime"], row["width"], row["height"], row["origin"], row["name"]) == (
        *("image", "image/png", 8, 6, "uploaded", "boat.png"),
    )
    assert row["url"] == f"{URL}/{row['id']}/content"
    assert client.get(f"{URL}/{row['id']}").json() == row
    assert [one["id"] for one in client.get(URL).json()["data"]] == [row["id"]]


def test_its_bytes_come_whole_or_in_part(client):
    row = sent(client)
    whole = client.get(row["url"])
    body = b"".join(whole.streaming_content)
    assert (whole.status_code, whole.headers["Content-Type"], len(body)) == (200, "image/png", row["bytes"])
    part = client.get(row["url"], headers={"Range": "bytes=2-5"})
    assert (part.status_code, b"".join(part.streaming_content)) == (206, body[2:6])
    assert part.headers["Content-Range"] == f"bytes 2-5/{row['bytes']}"
    assert client.get(row["url"], headers={"Range": "bytes=999999-"}).status_code == 416
    assert client.head(row["url"]).headers["Content-Length"] == str(row["bytes"])
    saved = client.get(row["url"] + "?download=1")
    assert saved.headers["Content-Disposition"].startswith("attachment")
    assert b"".join(saved.streaming_content) == body


def test_a_thumbnail_is_404_until_there_is_one(client):
    row = sent(client)
    assert row["thumbnail_url"] is None
    assert client.get(f"{URL}/{row['id']}/thumbnail").status_code == 404
    asset = Asset.objects.get(pk=row["id"])
    asset.thumbnail = asset.blob
    asset.save()
    shown = client.get(f"{URL}/{row['id']}").json()["thumbnail_url"]
    reply = client.get(shown)
    assert (reply.status_code, sum(map(len, reply.streaming_content))) == (200, row["bytes"])


def test_a_file_can_be_an_input(client):
    asset = sent(client)["id"]
    body = {"model": "mock/video", "params": {"prompt": "x"}, "inputs": [{"role": "first_frame", "asset": asset}]}
    row = client.post("/api/v1/generations", body).json()
    assert (row["operation"], row["inputs"]) == ("image_to_video", [{"role": "first_frame", "asset": asset}])


def test_filters_of_files(client):
    red = sent(client, name="red boat")["id"]
    text = client.post(
        URL, {"file": SimpleUploadedFile("notes.txt", b"some plain words\n")}, format="multipart"
    ).json()["id"]

    def ids(query: str) -> list[str]:
        return [row["id"] for row in client.get(f"{URL}?{query}").json()["data"]]

    assert ids("") == [text, red]
    assert ids("kind=image") == [red]
    assert ids("q=BOAT") == [red]
    assert ids("origin=generated") == []
    assert ids(f"generation={uuid.uuid4()}") == []
    for query in ("kind=soup", "generation=x", "q=%00"):
        assert client.get(f"{URL}?{query}").status_code == 422


def test_what_is_no_media_is_refused_beside_its_field(client):
    evil = SimpleUploadedFile("evil.png", b"<html><script>1</script>", "image/png")
    reply = client.post(URL, {"file": evil}, format="multipart")
    assert (reply.status_code, list(reply.json()["fields"])) == (422, ["file"])
    assert client.post(URL, {"name": "x"}, format="multipart").json()["fields"]["file"]
    assert list(client.post(URL, {"file": picture(), "x": "1"}, format="multipart").json()["fields"]) == ["x"]


def test_an_address_inside_our_network_is_refused(client):
    for url in ("http://127.0.0.1:9/x.png", "file:///etc/passwd", "http://169.254.169.254/", "nonsense"):
        reply = client.post(URL, {"url": url})
        assert (reply.status_code, list(reply.json()["fields"])) == (422, ["url"]), reply.content
    assert list(client.post(URL, {}).json()["fields"]) == ["url"]
    assert list(client.post(URL, {"url": "http://x.example/", "kind": "image"}).json()["fields"]) == ["kind"]


def test_a_removed_file_is_404_everywhere(client):
    row = sent(client)
    Asset.objects.update(deleted_at=timezone.now())
    for path in (f"{URL}/{row['id']}", row["url"]):
        assert client.get(path).status_code == 404
    assert client.get(URL).json()["data"] == []


def test_the_list_costs_the_same_for_one_file_and_for_many(client, django_assert_max_num_queries):
    for _ in range(4):
        sent(client)
    with django_assert_max_num_queries(4):
        assert len(client.get(URL).json()["data"]) == 4
