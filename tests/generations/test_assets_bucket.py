"""The same store over a bucket: nothing in it knows where the bytes lie."""

from __future__ import annotations

from uuid import uuid4

import boto3
import made_files as made
import pytest
from django.core.files.storage import default_storage
from django.http import Http404
from django.test import RequestFactory
from moto.server import ThreadedMotoServer

from generations import assets, derive, inbox, serving

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def bucket():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys).create_bucket(Bucket="media")
    yield f"s3://key:secret@{host}:{port}/media?region=us-east-1&secure=0"
    server.stop()


@pytest.fixture(autouse=True)
def _store(settings, tmp_path, bucket):
    made.fresh_store(settings, tmp_path / "var")
    settings.STORAGE_URL = bucket
    settings.STORAGES = dict(settings.STORAGES)


@pytest.fixture
def film(tmp_path):
    return assets.keep(made.video(tmp_path / "x.mp4"), **made.someone(), kind="video", origin="generated")


def test_a_film_is_kept_drawn_and_sent_from_a_bucket(tmp_path, film, settings):
    whole = (tmp_path / "x.mp4").read_bytes()
    response = serving.ranged(RequestFactory().get("/", headers={"range": "bytes=100-299"}), film)
    assert (response.status_code, b"".join(response.streaming_content)) == (206, whole[100:300])
    derived = derive.derive(film.pk)
    response = serving.ranged(RequestFactory().get("/"), derived.thumbnail)
    assert b"".join(response.streaming_content)[8:12] == b"WEBP"
    assert not (settings.VAR_DIR / "media").exists()
    assert list((settings.VAR_DIR / "tmp").iterdir()) == []


def test_bytes_lost_from_a_bucket_are_not_found(film):
    default_storage.delete(film.blob.key)
    with pytest.raises(Http404):
        serving.ranged(RequestFactory().get("/"), film)
    with pytest.raises(FileNotFoundError), assets.local_path(film.blob):
        pass


def test_the_inbox_works_in_a_bucket():
    attempt = uuid4()
    key = inbox.put(attempt, 0, b"bytes")
    with inbox.path(key) as path:
        assert path.read_bytes() == b"bytes"
    inbox.clear(attempt)
    inbox.clear(attempt)
    assert not default_storage.exists(key)
