"""Uploads lose where and with what they were taken, and nothing else."""

from __future__ import annotations

import struct

import av
import made_files as made
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from generations import probing, scrubbing
from generations.sniffing import BadFile

SECRET = b"Secret Camera"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><exif:GPSLatitude>52,31N</exif:GPSLatitude></x:xmpmeta>'
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MIMES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "avif": "image/avif", "tiff": "image/tiff"}


def taken(path, *, orientation=1, **options):
    """A photograph with a place, a camera and a colour profile; red on the left, blue on the right."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = SECRET.decode(), orientation
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0)})
    picture = Image.new("RGB", (64, 32), "red")
    picture.paste("blue", (32, 0, 64, 32))
    picture.save(path, exif=exif, icc_profile=ICC, **options)
    return path


def pixels(path):
    with Image.open(path) as image:
        return image.convert("RGB").tobytes()


@pytest.mark.parametrize("ending", MIMES)
def test_place_and_camera_go_and_the_colour_profile_stays(tmp_path, ending):
    path = taken(tmp_path / f"x.{ending}")
    assert SECRET in path.read_bytes()
    clean = scrubbing.scrub(path, MIMES[ending], tmp_path / "clean")
    assert SECRET not in clean.read_bytes()
    with Image.open(clean) as image:
        assert 0x010F not in image.getexif()
        assert not image.getexif().get_ifd(0x8825)
        assert image.info["icc_profile"] == ICC


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_an_upright_picture_is_not_written_anew(tmp_path, ending):
    path = taken(tmp_path / f"x.{ending}")
    clean = scrubbing.scrub(path, MIMES[ending], tmp_path / "clean")
    assert pixels(clean) == pixels(path)
    assert probing.look(clean, "image").mime == MIMES[ending]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_a_turned_picture_is_turned_for_good(tmp_path, ending):
    path = taken(tmp_path / f"x.{ending}", orientation=6)
    clean = scrubbing.scrub(path, MIMES[ending], tmp_path / "clean")
    assert SECRET not in clean.read_bytes()
    with Image.open(clean) as image:
        assert image.size == (32, 64)
        red, _, blue = image.convert("RGB").getpixel((16, 5))
        assert red > 200 > blue
        assert image.info["icc_profile"] == ICC


def test_a_progressive_jpeg_keeps_all_its_scans(tmp_path):
    path = tmp_path / "x.jpg"
    Image.effect_noise((200, 200), 80).convert("RGB").save(path, progressive=True, quality=90, comment=SECRET)
    clean = scrubbing.scrub(path, "image/jpeg", tmp_path / "clean")
    assert pixels(clean) == pixels(path)
    assert SECRET not in clean.read_bytes()


def test_what_follows_the_end_of_a_jpeg_goes(tmp_path):
    path = taken(tmp_path / "x.jpg")
    path.write_bytes(path.read_bytes() + b"\0\0\0\x18ftypmp42" + SECRET)
    clean = scrubbing.scrub(path, "image/jpeg", tmp_path / "clean")
    assert clean.read_bytes().endswith(b"\xff\xd9")
    assert b"ftyp" not in clean.read_bytes()


def test_notes_in_the_other_places_go_too(tmp_path):
    path = tmp_path / "x.png"
    info = PngInfo()
    info.add_text("Author", SECRET.decode(), zip=False)
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    made.image(path, pnginfo=info)
    assert b"GPSLatitude" not in scrubbing.scrub(path, "image/png", tmp_path / "clean").read_bytes()
    made.image(tmp_path / "x.webp", xmp=XMP)
    clean = scrubbing.scrub(tmp_path / "x.webp", "image/webp", tmp_path / "clean2")
    assert b"GPSLatitude" not in clean.read_bytes()
    assert pixels(clean) == pixels(tmp_path / "x.webp")


def test_an_animation_keeps_its_frames(tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = SECRET.decode(), 3
    frames[0].save(tmp_path / "x.webp", save_all=True, append_images=frames[1:], exif=exif)
    clean = scrubbing.scrub(tmp_path / "x.webp", "image/webp", tmp_path / "clean")
    assert SECRET not in clean.read_bytes()
    with Image.open(clean) as image:
        assert image.n_frames == 3


@pytest.mark.parametrize("ending", ["mp4", "mov"])
def test_a_film_loses_its_place_without_moving_a_byte_of_picture(tmp_path, ending):
    plain = made.video(tmp_path / f"plain.{ending}")
    path = tmp_path / f"x.{ending}"
    with (
        av.open(str(plain)) as old,
        av.open(str(path), "w", options={"movflags": "faststart+use_metadata_tags"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        new.metadata["location"] = "+52.5200+013.4050/"
        new.metadata["com.apple.quicktime.location.ISO6709"] = "+52.5200+013.4050/"
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    assert b"+52.5200" in path.read_bytes()
    clean = scrubbing.scrub(path, f"video/{'quicktime' if ending == 'mov' else 'mp4'}", tmp_path / "clean")
    assert b"+52.5200" not in clean.read_bytes()
    assert clean.stat().st_size == path.stat().st_size
    assert probing.look(clean, "video").seconds == probing.look(path, "video").seconds


def test_a_film_with_a_large_size_field_is_walked_through(tmp_path):
    path = tmp_path / "x.mp4"
    note = (
        struct.pack(">I4sQ", 1, b"moov", 16 + 8 + len(SECRET)) + struct.pack(">I4s", 8 + len(SECRET), b"udta") + SECRET
    )
    path.write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + note)
    assert SECRET not in scrubbing.scrub(path, "video/mp4", tmp_path / "clean").read_bytes()


def test_a_broken_picture_is_a_bad_file(tmp_path):
    path = taken(tmp_path / "x.jpg")
    for cut in (3, 40, 700):
        (tmp_path / "cut.jpg").write_bytes(path.read_bytes()[:cut])
        with pytest.raises(BadFile):
            probing.look(scrubbing.scrub(tmp_path / "cut.jpg", "image/jpeg", tmp_path / "clean"), "image")


def test_formats_without_such_notes_are_left_alone(tmp_path):
    path = made.image(tmp_path / "x.gif")
    assert scrubbing.scrub(path, "image/gif", tmp_path / "clean") == path
