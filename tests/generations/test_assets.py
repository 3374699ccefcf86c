"""The store: bytes once, rows once, and nothing kept that is not what it should be."""

from __future__ import annotations

import base64
import hashlib
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import made_files as made
import pytest
import time_machine
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.errors import Refused
from generations import assets
from generations.models import Asset, Blob
from generations.sniffing import BadFile
from mediagen_site.storage import LocalStorage

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _store(settings, tmp_path):
    made.fresh_store(settings, tmp_path / "var")


@pytest.fixture
def who():
    return made.someone()


@pytest.fixture
def generation(who):
    return made.generation(who["workspace"])


@pytest.fixture
def site(settings):
    """A web site of one file, on an address the guard lets through."""
    content = {"body": b"", "sent": 0, "to": ""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            content["sent"] += 1
            self.send_response(302 if content["to"] else 200)
            if content["to"]:
                self.send_header("Location", content["to"])
            self.send_header("Content-Length", str(len(content["body"])))
            self.end_headers()
            self.wfile.write(content["body"])

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.MEDIAGEN_PRIVATE_HOSTS = frozenset({("127.0.0.1", server.server_port)})
    yield content, f"http://127.0.0.1:{server.server_port}/pictures/cat.png?width=3"
    server.shutdown()
    server.server_close()


def test_a_kept_file_is_in_storage_under_its_digest(tmp_path, who):
    path = made.image(tmp_path / "x.png")
    asset = assets.keep(path, **who, kind="image", origin="generated", facts={"mocked": True})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert asset.blob.sha256 == digest
    assert asset.blob.key == f"blobs/{digest[:2]}/{digest[2:4]}/{digest}"
    assert (asset.width, asset.height, asset.mime) == (64, 48, "image/png")
    assert asset.facts == {"mocked": True, "alpha": False, "animated": False}
    with assets.open_blob(asset.blob) as file:
        assert file.read() == path.read_bytes()
    with assets.local_path(asset.blob) as local:
        assert local.read_bytes() == path.read_bytes()


def test_the_same_bytes_are_stored_once(tmp_path, who):
    path = made.image(tmp_path / "x.png")
    first, second = (assets.keep(path, **who, kind="image", origin="generated") for _ in range(2))
    assert first.pk != second.pk
    assert first.blob == second.blob
    assert Blob.objects.count() == 1


def test_a_place_of_a_generation_is_filled_once(tmp_path, who, generation):
    path = made.image(tmp_path / "x.png")
    place = {**who, "kind": "image", "origin": "generated", "generation": generation}
    first = assets.keep(path, **place)
    again = assets.keep(made.image(tmp_path / "other.png", fill="red"), **place)
    second = assets.keep(path, **place, position=1)
    assert first == again
    assert again.blob == first.blob
    assert second != first
    assert generation.assets.count() == 2


def test_a_crash_between_storage_and_row_is_made_good_by_the_next_run(tmp_path, who, generation, monkeypatch):
    path = made.image(tmp_path / "x.png")
    place = {**who, "kind": "image", "origin": "generated", "generation": generation}

    class Killed(BaseException):
        pass

    def kill(point):
        raise Killed(point)

    monkeypatch.setattr("generations.faults.at", kill)
    with pytest.raises(Killed, match="while_storing"):
        assets.keep(path, **place)
    assert Blob.objects.count() == Asset.objects.count() == 0
    monkeypatch.undo()
    kept = assets.keep(path, **place)
    assert default_storage.size(kept.blob.key) == path.stat().st_size
    assert Asset.objects.get() == kept


def test_bytes_lost_from_storage_come_back_with_the_same_file(tmp_path, who):
    path = made.image(tmp_path / "x.png")
    asset = assets.keep(path, **who, kind="image", origin="generated")
    default_storage.delete(asset.blob.key)
    assets.keep(path, **who, kind="image", origin="generated")
    assert default_storage.size(asset.blob.key) == asset.blob.bytes


def test_storage_that_keeps_too_little_is_an_error_and_no_row(tmp_path, who, monkeypatch):
    monkeypatch.setattr(LocalStorage, "size", lambda self, key: 3)
    with pytest.raises(OSError, match="did not keep"):
        assets.keep(made.image(tmp_path / "x.png"), **who, kind="image", origin="generated")
    assert not Blob.objects.exists()


def test_a_result_of_the_wrong_kind_is_a_bad_file(tmp_path, who):
    with pytest.raises(BadFile, match="not a video"):
        assets.keep(made.image(tmp_path / "x.mp4", format="PNG"), **who, kind="video", origin="generated")
    assert not Asset.objects.exists()


def test_a_generated_picture_is_kept_to_the_byte(tmp_path, who):
    path = made.image(tmp_path / "x.jpg", comment=b"drawn by a machine")
    asset = assets.keep(path, **who, kind="image", origin="generated")
    assert asset.blob.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_upload_loses_its_notes_and_keeps_its_name(tmp_path, who):
    path = made.image(tmp_path / "x.jpg", comment=b"taken at home")
    asset = assets.upload(SimpleUploadedFile("C:\\Users\\me\\holiday.jpg", path.read_bytes()), **who)
    assert (asset.name, asset.origin, asset.role, asset.kind) == ("holiday.jpg", "uploaded", "input", "image")
    with assets.open_blob(asset.blob) as file:
        assert b"taken at home" not in file.read()


@pytest.mark.parametrize("make", [made.video, made.glb])
def test_other_kinds_are_uploaded_too(tmp_path, who, make):
    path = make(tmp_path / "x.mp4")
    assert assets.upload(SimpleUploadedFile("x", path.read_bytes()), **who).kind in ("video", "model3d")


def test_an_upload_that_is_too_large_is_refused_beside_its_field(who, settings):
    settings.MEDIAGEN_MAX_UPLOAD = 1000
    with pytest.raises(Refused) as caught:
        assets.upload(SimpleUploadedFile("x.txt", b"word " * 300), **who)
    assert caught.value.code == "file_too_large"
    assert "file" in caught.value.fields


@pytest.mark.parametrize("body", [b"", b"<!doctype html><p>hello", b"\x89PNG\r\n\x1a\nnothing", b"\x7fELF\x00\xff"])
def test_an_upload_nobody_could_use_is_refused(who, body):
    with pytest.raises(Refused) as caught:
        assets.upload(SimpleUploadedFile("x.png", body), **who)
    assert caught.value.code == "file_unusable"
    assert caught.value.fields["file"]
    assert not Asset.objects.exists()


def test_a_file_is_fetched_from_an_address(tmp_path, who, site):
    content, url = site
    content["body"] = made.image(tmp_path / "x.png").read_bytes()
    asset = assets.from_url(url, **who)
    assert (asset.name, asset.mime, asset.origin) == ("cat.png", "image/png", "uploaded")


def test_a_page_instead_of_a_picture_is_refused(who, site):
    content, url = site
    content["body"] = b"<html><body>Not here</body></html>"
    with pytest.raises(Refused) as caught:
        assets.from_url(url, **who)
    assert caught.value.code == "file_unusable"
    assert "HTML" in caught.value.fields["url"][0]


def test_an_address_with_too_much_behind_it_is_refused(who, site, settings):
    content, url = site
    content["body"] = b"word " * 1000
    settings.MEDIAGEN_MAX_UPLOAD = 1000
    with pytest.raises(Refused) as caught:
        assets.from_url(url, **who)
    assert caught.value.code == "file_too_large"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x.png",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://[::1]/",
        "nonsense",
        "http://2130706433/",
    ],
)
def test_a_private_address_is_refused(who, url):
    with pytest.raises(Refused) as caught:
        assets.from_url(url, **who)
    assert caught.value.code == "address_refused"
    assert caught.value.fields["url"]


def test_a_public_address_that_leads_to_a_private_one_is_refused(who, site):
    content, url = site
    content["to"] = "http://169.254.169.254/latest/meta-data"
    with pytest.raises(Refused) as caught:
        assets.from_url(url, **who)
    assert caught.value.code == "address_refused"
    assert content["sent"] == 1


def test_a_data_address_is_a_file_like_any_other(tmp_path, who):
    data = base64.b64encode(made.image(tmp_path / "x.png").read_bytes()).decode()
    assert assets.from_data_url(f"data:image/jpeg;base64,{data}", **who).mime == "image/png"
    assert assets.from_data_url("data:,two%20words", **who).text == "two words"


@pytest.mark.parametrize(
    "data", ["", "data:image/png;base64", "data:image/png;base64,###", "https://example.org/x.png", "data:;base64,"]
)
def test_a_wrong_data_address_is_refused(who, data):
    with pytest.raises(Refused) as caught:
        assets.from_data_url(data, **who)
    assert caught.value.code == "file_unusable"
    assert caught.value.fields["data"]


def test_a_data_address_is_measured_before_it_is_decoded(who, settings):
    settings.MEDIAGEN_MAX_UPLOAD = 100
    with pytest.raises(Refused) as caught:
        assets.from_data_url("data:;base64," + "A" * 400, **who)
    assert caught.value.code == "file_too_large"


def test_nothing_is_left_lying_about(tmp_path, who, settings):
    with pytest.raises(Refused):
        assets.from_data_url("data:,", **who)
    assets.from_data_url("data:,word", **who)
    assert list((settings.VAR_DIR / "tmp").iterdir()) == []


def test_a_removed_asset_is_gone_for_people_and_its_bytes_stay(tmp_path, who):
    asset = assets.keep(made.image(tmp_path / "x.png"), **who, kind="image", origin="generated")
    assets.remove(asset)
    assert not Asset.objects.visible_in(who["workspace"]).exists()
    assert default_storage.exists(asset.blob.key)


def test_a_signed_address_opens_one_file_for_a_while(tmp_path, who, settings):
    settings.APP_URL = "https://studio.example"
    asset = assets.keep(made.image(tmp_path / "x.jpg"), **who, kind="image", origin="generated")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        url = assets.signed_url(asset, seconds=60)
        assert url.startswith("https://studio.example/files/")
        assert url.endswith(".jpg")
        token = url.rpartition("/")[2]
        assert assets.check_signature(token) == asset
        clock.shift(timedelta(seconds=61))
        assert assets.check_signature(token) is None


def test_a_changed_or_foreign_signature_opens_nothing(tmp_path, who, settings):
    settings.APP_URL = "https://studio.example"
    asset = assets.keep(made.image(tmp_path / "x.jpg"), **who, kind="image", origin="generated")
    token = assets.signed_url(asset, seconds=60).rpartition("/")[2]
    for wrong in (token.replace("-60:", "-6000:"), "x" + token, token.partition(":")[0], "", "a:b:c", "é:x:y"):
        assert assets.check_signature(wrong) is None
    assets.remove(asset)
    assert assets.check_signature(token) is None


def test_without_an_outside_address_nothing_is_signed(tmp_path, who, settings):
    settings.APP_URL = ""
    asset = assets.keep(made.image(tmp_path / "x.jpg"), **who, kind="image", origin="generated")
    assert assets.signed_url(asset, seconds=60) is None
