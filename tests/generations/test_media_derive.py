"""Thumbnails, posters, waveforms and colours: made once, after the fact, and never at any other thing's cost."""

from __future__ import annotations

import struct
from uuid import uuid4

import made_files as made
import pytest
from django.core.files.storage import default_storage
from PIL import Image

from generations import assets, derive, media
from generations.models import Asset

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _store(settings, tmp_path):
    made.fresh_store(settings, tmp_path / "var")


@pytest.fixture
def keep():
    who = made.someone()
    return lambda path, kind: assets.keep(path, **who, kind=kind, origin="generated")


def thumbnail(asset):
    with assets.open_blob(asset.thumbnail) as file, Image.open(file) as image:
        image.load()
        return image.copy()


def test_an_image_gets_a_small_copy_and_its_colour(tmp_path, keep):
    asset = derive.derive(keep(made.image(tmp_path / "x.png", size=(1600, 800)), "image").pk)
    assert asset.thumbnail.mime == "image/webp"
    assert thumbnail(asset).size == (512, 256)
    assert asset.facts["colour"] == "#3366cc"
    assert asset.facts["alpha"] is False  # what was known stays
    assert asset.derived_at is not None


@pytest.mark.parametrize(
    ("mode", "fill"),
    [("RGBA", (255, 0, 0, 0)), ("P", 3), ("L", 90), ("I;16", 900), ("CMYK", (0, 200, 0, 0)), ("LA", (9, 9))],
)
def test_images_of_every_make_get_one(tmp_path, keep, mode, fill):
    path = tmp_path / "x"
    Image.new(mode, (40, 30), fill).save(path, "JPEG" if mode == "CMYK" else "PNG")
    assert thumbnail(derive.derive(keep(path, "image").pk)).size == (40, 30)


def test_transparency_stays(tmp_path, keep):
    path = made.image(tmp_path / "x.png", mode="RGBA", fill=(0, 0, 0, 0))
    assert thumbnail(derive.derive(keep(path, "image").pk)).getpixel((60, 40))[3] == 0


def test_a_film_gets_its_picture_at_one_second(tmp_path, keep):
    path = made.video(tmp_path / "x.mp4", seconds=3, colour=(10, 100, 10))
    image = thumbnail(derive.derive(keep(path, "video").pk))
    assert image.size == (64, 48)
    assert image.getpixel((30, 20))[1] == pytest.approx(110, abs=8)


def test_a_film_shorter_than_that_gets_its_last_picture(tmp_path, keep):
    path = made.video(tmp_path / "x.webm", seconds=0.3, codec="libvpx-vp9")
    assert thumbnail(derive.derive(keep(path, "video").pk)).size == (64, 48)


@pytest.mark.parametrize("turn", [90, 180])
def test_a_turned_film_gets_an_upright_picture(tmp_path, keep, turn):
    path = made.video(tmp_path / "x.mp4")
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    matrix = {
        90: (0, one, 0, -one, 0, 0, 48 << 16, 0, 1 << 30),
        180: (-one, 0, 0, 0, -one, 0, 64 << 16, 48 << 16, 1 << 30),
    }
    data[at : at + 36] = struct.pack(">9i", *matrix[turn])
    path.write_bytes(data)
    assert thumbnail(derive.derive(keep(path, "video").pk)).size == ((48, 64) if turn == 90 else (64, 48))


@pytest.mark.parametrize(("ending", "codec"), [("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("ogg", "libopus")])
def test_sound_gets_a_waveform_and_no_picture(tmp_path, keep, ending, codec):
    asset = derive.derive(keep(made.audio(tmp_path / f"x.{ending}", codec=codec, seconds=2), "audio").pk)
    peaks = asset.facts["peaks"]
    assert len(peaks) == 200
    assert max(peaks[:90]) < 0.05
    assert min(peaks[110:190]) > 0.5
    assert max(peaks) <= 1
    assert asset.thumbnail is None
    assert asset.derived_at is not None


def test_a_waveform_covers_very_short_sound(tmp_path):
    path = made.audio(tmp_path / "x.wav", seconds=0.01)
    assert len(media.peaks(path, "audio/wav", 0.01)) == 200


def test_a_model_gets_a_face(tmp_path, keep):
    asset = derive.derive(keep(made.glb(tmp_path / "x"), "model3d").pk)
    assert thumbnail(asset).size == (512, 512)
    assert asset.facts["colour"].startswith("#")


def test_a_text_needs_nothing_and_is_done(tmp_path, keep):
    (tmp_path / "x").write_text("words")
    asset = derive.derive(keep(tmp_path / "x", "text").pk)
    assert (asset.thumbnail, asset.derived_at is None) == (None, False)


def test_once_made_nothing_is_made_again(tmp_path, keep, monkeypatch):
    asset = derive.derive(keep(made.image(tmp_path / "x.png"), "image").pk)
    monkeypatch.setattr(media, "thumbnail", lambda *_: pytest.fail("made again"))
    again = derive.derive(asset.pk)
    assert (again.thumbnail_id, again.derived_at, again.derive_tries) == (asset.thumbnail_id, asset.derived_at, 1)


def test_due_names_what_is_missing_oldest_first(tmp_path, keep):
    first, second, third = (
        keep(made.image(tmp_path / f"{number}.png", fill=(number, 0, 0)), "image") for number in range(3)
    )
    derive.derive(second.pk)
    assert derive.due() == [first.pk, third.pk]
    assert derive.due(1) == [first.pk]
    assets.remove(first)
    assert derive.due() == [third.pk]


def test_what_cannot_be_drawn_is_tried_three_times_and_then_left(tmp_path, keep, monkeypatch):
    asset = keep(made.image(tmp_path / "x.png"), "image")

    def broken(*_):
        raise MemoryError("no")

    monkeypatch.setattr(media, "thumbnail", broken)
    for _ in range(5):
        derive.derive(asset.pk)
    asset.refresh_from_db()
    assert (asset.derive_tries, asset.derived_at, derive.due()) == (3, None, [])


def test_storage_that_is_away_costs_no_try(tmp_path, keep):
    asset = keep(made.image(tmp_path / "x.png"), "image")
    default_storage.delete(asset.blob.key)
    derive.derive(asset.pk)
    assert Asset.objects.get(pk=asset.pk).derive_tries == 0


def test_nothing_is_derived_for_nobody():
    assert derive.derive(uuid4()) is None
