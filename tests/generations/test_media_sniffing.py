"""What a file is, by its bytes; what is in it; what is refused before it is unfolded."""

from __future__ import annotations

import json
import struct
import zlib

import av
import made_files as made
import pytest
from PIL import Image

from generations import probing, sniffing
from generations.sniffing import BadFile


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


IMAGES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "bmp": "image/bmp",
}


@pytest.mark.parametrize("ending", IMAGES)
def test_images_are_known_by_their_bytes(tmp_path, ending):
    path = made.image(tmp_path / f"x.{ending}").rename(tmp_path / "nameless")
    found = probing.look(path, "image")
    assert (found.kind, found.mime, found.width, found.height) == ("image", IMAGES[ending], 64, 48)


@pytest.mark.parametrize(
    ("ending", "codec", "sound", "mime"),
    [
        ("mp4", "libx264", "aac", "video/mp4"),
        ("webm", "libvpx-vp9", "libopus", "video/webm"),
        ("mov", "libx264", "", "video/quicktime"),
        ("mkv", "libx264", "", "video/x-matroska"),
        ("avi", "mpeg4", "", "video/x-msvideo"),
    ],
)
def test_films_tell_size_length_and_codec(tmp_path, ending, codec, sound, mime):
    found = probing.look(made.video(tmp_path / f"x.{ending}", codec=codec, sound=sound), "video")
    assert (found.kind, found.mime, found.width, found.height) == ("video", mime, 64, 48)
    assert found.seconds == pytest.approx(2, abs=0.15)
    assert found.facts["fps"] == 10
    assert ("audio_codec" in found.facts) == bool(sound)


@pytest.mark.parametrize(
    ("ending", "codec", "mime"),
    [
        ("wav", "pcm_s16le", "audio/wav"),
        ("mp3", "libmp3lame", "audio/mpeg"),
        ("flac", "flac", "audio/flac"),
        ("ogg", "libopus", "audio/ogg"),
        ("m4a", "aac", "audio/mp4"),
        ("mp4", "aac", "audio/mp4"),
        ("webm", "libopus", "audio/webm"),
        ("aac", "aac", "audio/aac"),
    ],
)
def test_sound_is_sound_whatever_it_is_packed_in(tmp_path, ending, codec, mime):
    form = {"m4a": "ipod", "aac": "adts"}.get(ending)
    found = probing.look(made.audio(tmp_path / f"x.{ending}", codec=codec, format=form), "audio")
    assert (found.kind, found.mime) == ("audio", mime)
    assert found.seconds == pytest.approx(1, abs=0.1)
    assert found.facts["sample_rate"] == 48000
    assert found.facts["channels"] == 1


def test_sound_streamed_with_an_endless_length_is_measured(tmp_path):
    data = bytearray(made.audio(tmp_path / "x.wav", rate=24000).read_bytes())
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    (tmp_path / "x.wav").write_bytes(data)
    assert probing.look(tmp_path / "x.wav", "audio").seconds == pytest.approx(1, abs=0.1)


def test_a_film_is_not_taken_for_sound_nor_sound_for_a_film(tmp_path):
    with pytest.raises(BadFile, match="film, not audio"):
        probing.look(made.video(tmp_path / "x.mp4"), "audio")
    with pytest.raises(BadFile, match="only sound"):
        probing.look(made.audio(tmp_path / "y.mp4", codec="aac"), "video")


def test_an_html_page_named_like_a_film_is_refused(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_text("<!DOCTYPE html><html><body>Sign in</body></html>")
    with pytest.raises(BadFile, match="HTML page, not a video"):
        sniffing.check(path, "video")
    with pytest.raises(BadFile, match="HTML page"):
        sniffing.check(path)


def test_empty_and_unknown_files_are_refused(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"")
    with pytest.raises(BadFile, match="empty"):
        sniffing.check(path)
    path.write_bytes(b"MZ\x90\0" + bytes(200) + b"\xff\xfe")
    with pytest.raises(BadFile, match="not known"):
        sniffing.check(path)


def test_a_drawing_in_svg_is_never_an_image(tmp_path):
    path = tmp_path / "x.png"
    path.write_text('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    assert sniffing.sniff(path) == ("data", "image/svg+xml")
    with pytest.raises(BadFile, match="not an image"):
        sniffing.check(path, "image")


def test_text_stays_text_whatever_it_is_written_in(tmp_path):
    path = tmp_path / "x"
    for content in ("a script\n", '{"scene": 1}', "<html><p>a page someone asked for</p></html>"):
        path.write_text(content)
        assert sniffing.check(path, "text") == ("text", "text/plain")
    path.write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n")
    assert sniffing.check(path, "text") == ("text", "text/vtt")


def test_a_short_text_is_kept_inline_with_its_words_counted(tmp_path):
    path = tmp_path / "x"
    path.write_text("\ufeffAm Ende blüht es.", encoding="utf-8")
    found = probing.look(path, "text")
    assert found.text == "Am Ende blüht es."
    assert found.facts == {"words": 4, "characters": 17}


def test_a_long_text_is_cut_inline_between_two_characters(tmp_path):
    path = tmp_path / "x"
    path.write_text("ä" * 100_000, encoding="utf-8")
    found = probing.look(path, "text")
    assert len(found.text.encode()) <= 64 * 1024
    assert set(found.text) == {"ä"}
    assert found.facts["cut"] is True
    assert found.facts["characters"] == 100_000


def test_bytes_that_are_no_text_are_refused_as_text(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"caf\xe9 au lait")
    with pytest.raises(BadFile):
        sniffing.check(path, "text")
    path.write_bytes(b"a\0b")
    with pytest.raises(BadFile):
        sniffing.check(path, "text")


def test_json_is_data_and_must_be_whole(tmp_path):
    path = tmp_path / "x"
    path.write_text(json.dumps({"a": 1, "b": [2]}))
    found = probing.look(path, "data")
    assert (found.mime, found.facts) == ("application/json", {"entries": 2})
    path.write_text('{"a": ')
    with pytest.raises(BadFile, match="not data"):
        sniffing.check(path, "data")


def test_a_huge_image_is_refused_before_it_is_unfolded(tmp_path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    with pytest.raises(BadFile, match="megapixels"):
        probing.look(path, "image")


def test_the_limit_of_pixels_is_the_setting(tmp_path, settings):
    settings.MEDIAGEN_MAX_PIXELS = 64 * 48 - 1
    with pytest.raises(BadFile, match=r"64 × 48 pixels"):
        probing.look(made.image(tmp_path / "x.png"), "image")


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "avif"])
def test_an_image_that_was_cut_off_is_refused(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    Image.effect_noise((300, 300), 90).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadFile, match="damaged"):
        probing.look(path, "image")


def test_a_polyglot_that_only_begins_like_an_image_is_refused(tmp_path):
    path = tmp_path / "x.gif"
    path.write_bytes(b"GIF89a<script>alert(1)</script>")
    with pytest.raises(BadFile, match="damaged"):
        probing.look(path, "image")


def test_a_camera_held_sideways_gives_the_size_a_person_sees(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert probing.look(made.image(tmp_path / "x.jpg", exif=exif)).width == 48


def test_a_phone_held_sideways_gives_the_size_a_person_sees(tmp_path):
    path = made.video(tmp_path / "x.mp4")
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # the matrix of the track
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(data)
    found = probing.look(path, "video")
    assert (found.width, found.height) == (48, 64)


@pytest.mark.parametrize("keep", [0.3, 0.6])
def test_a_film_that_was_cut_off_is_refused(tmp_path, keep):
    path = tmp_path / "x.mp4"
    made.video(tmp_path / "whole.mp4", seconds=6)
    whole = (tmp_path / "whole.mp4").read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])  # its index lies at the end
    with pytest.raises(BadFile, match=r"damaged|neither pictures"):
        probing.look(path, "video")


def test_a_film_whose_head_promises_more_than_it_holds_is_refused(tmp_path):
    made.video(tmp_path / "plain.mp4", seconds=8)
    with (
        av.open(str(tmp_path / "plain.mp4")) as old,
        av.open(str(tmp_path / "x.mp4"), "w", options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    whole = (tmp_path / "x.mp4").read_bytes()
    assert whole.index(b"moov") < whole.index(b"mdat")
    (tmp_path / "x.mp4").write_bytes(whole[: whole.index(b"mdat") + 300])
    with pytest.raises(BadFile, match=r"cut off|damaged|Nothing"):
        probing.look(tmp_path / "x.mp4", "video")


def test_limits_of_length_streams_and_size_hold(tmp_path, monkeypatch):
    path = made.video(tmp_path / "x.mp4", sound="aac")
    monkeypatch.setattr(probing, "MAX_STREAMS", 1)
    with pytest.raises(BadFile, match="2 streams"):
        probing.look(path, "video")
    monkeypatch.undo()
    monkeypatch.setattr(probing, "MAX_SECONDS", 1)
    with pytest.raises(BadFile, match="hours"):
        probing.look(path, "video")
    monkeypatch.undo()
    monkeypatch.setattr("generations.media.MAX_SIDE", 60)
    with pytest.raises(BadFile, match="64 × 48"):
        probing.look(path, "video")


def test_a_playlist_that_points_elsewhere_is_only_text(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    with pytest.raises(BadFile, match="not a video"):
        sniffing.check(path, "video")
