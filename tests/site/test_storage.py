"""Where media lies: files of this machine, or a bucket."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import boto3
import pytest
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.base import ContentFile
from moto.server import ThreadedMotoServer

from generations.files import scratch, sweep_scratch
from mediagen_site import storage as storage_module
from mediagen_site.bucket import BucketStorage, read_url
from mediagen_site.storage import LocalStorage, MediaStorage


@pytest.fixture(scope="module")
def bucket_url():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "se/cret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys).create_bucket(Bucket="media")
    yield f"s3://key:se%2Fcret@{host}:{port}/media?region=us-east-1&secure=0"
    server.stop()


@pytest.fixture(params=["files", "bucket"])
def storage(request, settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.STORAGE_URL = request.getfixturevalue("bucket_url") if request.param == "bucket" else ""
    return MediaStorage()


def test_what_is_saved_is_read_back_under_the_same_key(storage):
    assert storage.save("blobs/ab/cd/abcd", ContentFile(b"hello")) == "blobs/ab/cd/abcd"
    assert storage.exists("blobs/ab/cd/abcd")
    assert storage.size("blobs/ab/cd/abcd") == 5
    with storage.open("blobs/ab/cd/abcd") as file:
        assert file.read() == b"hello"


def test_saving_again_replaces_and_never_renames(storage):
    storage.save("inbox/a/0", ContentFile(b"first"))
    assert storage.save("inbox/a/0", ContentFile(b"second!")) == "inbox/a/0"
    assert b"".join(storage.blocks("inbox/a/0", 0, 7)) == b"second!"
    assert storage.listdir("inbox/a") == ([], ["0"])


def test_blocks_are_a_range_in_small_pieces(storage):
    data = os.urandom(700_000)
    storage.save("range", ContentFile(data))
    pieces = list(storage.blocks("range", 100_000, 550_000))
    assert b"".join(pieces) == data[100_000:650_000]
    assert max(map(len, pieces)) <= 1 << 18
    assert list(storage.blocks("range", 0, 0)) == []


def test_blocks_of_something_missing_fail_before_the_first_byte(storage):
    with pytest.raises(FileNotFoundError):
        storage.blocks("nothing", 0, 10)


def test_as_file_is_a_real_path(storage):
    storage.save("film", ContentFile(b"x" * 300_000))
    with storage.as_file("film") as path:
        assert path.stat().st_size == 300_000
    with pytest.raises(FileNotFoundError), storage.as_file("nothing"):
        pass


def test_ping_is_quiet_where_it_works(storage):
    storage.ping()


def test_files_are_private_to_this_user(settings, tmp_path):
    settings.VAR_DIR, settings.STORAGE_URL = tmp_path, ""
    MediaStorage().save("blobs/x", ContentFile(b"1"))
    path = tmp_path / "media" / "blobs" / "x"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_write_that_breaks_leaves_the_old_file_and_no_rest(settings, tmp_path, monkeypatch):
    settings.VAR_DIR, settings.STORAGE_URL = tmp_path, ""
    files = MediaStorage()
    files.save("a/b", ContentFile(b"old"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage_module, "_copy", full)
    with pytest.raises(OSError, match="No space"):
        files.save("a/b", ContentFile(b"new and longer"))
    assert [path.name for path in (tmp_path / "media" / "a").iterdir()] == ["b"]
    assert (tmp_path / "media" / "a" / "b").read_bytes() == b"old"


def test_a_key_cannot_leave_the_folder(settings, tmp_path):
    settings.VAR_DIR, settings.STORAGE_URL = tmp_path, ""
    with pytest.raises(SuspiciousFileOperation):
        MediaStorage().save("../outside", ContentFile(b"1"))


def test_the_kind_follows_the_setting(settings, tmp_path):
    settings.VAR_DIR, settings.STORAGE_URL = tmp_path, ""
    assert isinstance(MediaStorage(), LocalStorage)
    settings.STORAGE_URL = "s3://somewhere?region=eu-west-1"
    assert isinstance(MediaStorage(), BucketStorage)


def test_an_address_with_host_and_keys_is_read():
    options = read_url("s3://my%40key:s%2Fe@store.example:9000/media?region=eu&secure=0")
    assert options["endpoint_url"] == "http://store.example:9000"
    assert (options["bucket_name"], options["region_name"]) == ("media", "eu")
    assert (options["access_key"], options["secret_key"]) == ("my@key", "s/e")
    assert options["client_config"].s3 == {"addressing_style": "path"}


def test_a_bare_bucket_takes_its_keys_from_the_environment():
    options = read_url("s3://media")
    assert options["bucket_name"] == "media"
    assert options["endpoint_url"] is None
    assert "access_key" not in options


@pytest.mark.parametrize(
    "url",
    [
        "http://store.example/media",
        "s3://",
        "s3://key:hunter2@store.example",
        "s3://key@store.example/media",
        "s3://key:hunter2@store.example:port/media",
        "s3://key:hunter2@store.example/a/b",
        "s3://key:hunter2@store.example/media?secure=maybe",
        "s3://key:hunter2@store.example/media?colour=red",
    ],
)
def test_a_wrong_address_is_one_sentence_without_the_secret(url):
    with pytest.raises(ImproperlyConfigured, match=r"^STORAGE_URL .* Write s3://") as caught:
        read_url(url)
    assert "hunter2" not in str(caught.value)


def test_scratch_is_gone_afterwards_and_what_a_kill_left_is_swept(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    with scratch() as folder:
        assert folder.is_dir()
        assert Path(folder).is_relative_to(tmp_path)
    assert not folder.exists()
    left = tmp_path / "tmp" / "media-left"
    left.mkdir()
    os.utime(left, (1, 1))
    with scratch() as folder:
        assert sweep_scratch(3600) == 1
        assert folder.is_dir()
    assert not left.exists()
