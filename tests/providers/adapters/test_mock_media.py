"""What the mock makes: each file opens in its own reader, as large and long as asked, the same bytes each time."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat

from providers.adapters.mock.make import produce
from providers.adapters.mock.wish import Wish, image_size, video_size
from providers.errors import ProviderError
from providers.types import InputFile

KINDS = {
    "image": "image",
    "video": "video",
    "speech": "audio",
    "music": "audio",
    "sound": "audio",
    "text": "text",
    "3d": "model3d",
}
SMALL = {"resolution": "360p", "duration": 1, "fps": 12}


def made(room: Path, operation: str, *inputs: InputFile, prompt: str = "a lighthouse at dusk", **params) -> Path:
    kind = KINDS.get(
        operation.rsplit("_", 1)[-1], "image" if operation in ("inpaint", "remove_background") else "video"
    )
    room.mkdir(parents=True, exist_ok=True)
    wish = Wish(operation=operation, params={"prompt": prompt, **params}, kind=kind, inputs=inputs)
    path, facts = produce(wish, room)
    assert facts["mocked"] is True
    return path


def given(role: str, kind: str, path: Path) -> InputFile:
    return InputFile(role=role, kind=kind, mime="", path=path)


def photo(path: Path, size: tuple[int, int] = (320, 180)) -> Path:
    picture = Image.new("RGB", size, (200, 40, 30))
    ImageDraw.Draw(picture).ellipse(
        (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4), fill=(20, 160, 240)
    )
    picture.save(path)
    return path


def frames(path: Path) -> list[Image.Image]:
    with av.open(str(path)) as found:
        return [frame.to_image() for frame in found.decode(video=0)]


def apart(one: Image.Image, other: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean) / 3


def sound_seconds(path: Path) -> float:
    with av.open(str(path)) as found:
        rate = found.streams.audio[0].rate
        return sum(frame.samples for frame in found.decode(audio=0)) / rate


# -- the same and not the same ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("text_to_image", {"format": "png"}),
        ("text_to_image", {"format": "jpeg"}),
        ("text_to_image", {"format": "webp"}),
        ("text_to_video", SMALL),
        ("text_to_speech", {"format": "wav"}),
        ("text_to_speech", {"format": "mp3"}),
        ("text_to_music", {"duration": 3}),
        ("text_to_music", {"duration": 3, "format": "opus"}),
        ("text_to_music", {"duration": 3, "format": "aac"}),
        ("text_to_sound", {"duration": 1}),
        ("text_to_text", {}),
        ("text_to_3d", {}),
    ],
)
def test_same_prompt_and_seed_give_the_same_bytes_and_another_seed_others(tmp_path, operation, params):
    one, again, other = (
        made(tmp_path / name, operation, seed=seed, **params).read_bytes()
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )
    assert one == again
    assert one != other


# -- pictures -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({}, (1024, 1024)),
        ({"aspect_ratio": "16:9"}, (1024, 576)),
        ({"aspect_ratio": "21:9", "resolution": "512"}, (504, 216)),
        ({"aspect_ratio": "3:4", "resolution": "2k"}, (1536, 2048)),
        ({"size": "640x200"}, (640, 200)),
        ({"width": 300, "height": 77}, (300, 77)),
        ({"image_size": {"width": 64, "height": 32}}, (64, 32)),
    ],
)
@pytest.mark.parametrize(("ending", "name"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_a_picture_has_exactly_the_asked_size_and_format(tmp_path, params, size, ending, name):
    with Image.open(made(tmp_path, "text_to_image", format=ending, **params)) as picture:
        picture.load()
        assert (picture.size, picture.format) == (size, name)


def test_each_picture_says_inside_that_it_is_mocked(tmp_path):
    with Image.open(made(tmp_path, "text_to_image")) as picture:
        assert picture.info["Comment"] == "mocked by Mediagen"
    for ending in ("jpeg", "webp"):
        with Image.open(made(tmp_path, "text_to_image", format=ending)) as picture:
            assert picture.getexif()[0x010E] == "mocked by Mediagen"


def test_the_prompt_is_drawn(tmp_path):
    with (
        Image.open(made(tmp_path / "a", "text_to_image", prompt="")) as bare,
        Image.open(made(tmp_path / "b", "text_to_image", prompt="[[gone]]")) as silent,
    ):
        assert bare.size == silent.size
    said = Image.open(made(tmp_path / "c", "text_to_image", prompt="a very long prompt " * 40)).convert("L")
    panel = said.crop((0, said.height * 2 // 3, said.width, said.height)).histogram()
    assert panel[255] > 1000  # white type on the panel


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"ratio": "1280:720"}, (1280, 720)),
        ({"image_size": "portrait_4_3"}, (720, 960)),
        ({"aspect_ratio": "21:9", "resolution": "480p"}, (1120, 480)),
        ({"aspect_ratio": "9:16", "resolution": "1080p"}, (1080, 1920)),
        ({"resolution": "480p"}, (854, 480)),
        ({"aspect_ratio": "1:1", "resolution": "360p"}, (360, 360)),
        ({"orientation": "portrait"}, (720, 1280)),
        ({"width": 101, "height": 77}, (102, 78)),
        ({}, (1280, 720)),
    ],
)
def test_video_sizes_are_even_and_read_from_any_spelling(params, size):
    assert video_size(params) == size


def test_strange_parameters_never_break_a_size():
    for params in (
        {"aspect_ratio": "0:0"},
        {"size": "auto"},
        {"resolution": None},
        {"width": "wide", "height": 4},
        {"ratio": 1.5},
    ):
        assert min(*image_size(params), *video_size(params)) > 0


def test_strength_decides_how_much_of_the_input_stays(tmp_path):
    source = photo(tmp_path / "in.png")
    near, far = (
        Image.open(made(tmp_path / str(share), "image_to_image", given("image", "image", source), strength=share))
        for share in (0.1, 0.9)
    )
    top = (0, 40, 320, 100)  # clear of label and panel
    original = Image.open(source).crop(top)
    assert near.size == (320, 180)
    assert apart(near.crop(top), original) < 30 < apart(far.crop(top), original)


def test_inpaint_paints_only_where_the_mask_is_white(tmp_path):
    source, mask = photo(tmp_path / "in.png"), Image.new("L", (320, 180))
    ImageDraw.Draw(mask).rectangle((100, 50, 219, 129), fill=255)
    mask.save(tmp_path / "mask.png")
    inputs = given("image", "image", source), given("mask", "image", tmp_path / "mask.png")
    painted, original = Image.open(made(tmp_path / "o", "inpaint", *inputs)), Image.open(source)
    changed = ImageChops.difference(painted.convert("RGB"), original.convert("RGB"))
    assert changed.getbbox() is not None
    assert ImageChops.multiply(changed, ImageChops.invert(mask).convert("RGB")).getbbox() is None


@pytest.mark.parametrize(("scale", "size"), [(None, (640, 360)), (4, (1280, 720))])
def test_upscaling_multiplies_real_pixels(tmp_path, scale, size):
    source = photo(tmp_path / "in.png")
    larger = Image.open(made(tmp_path / "o", "upscale_image", given("image", "image", source), scale=scale))
    assert larger.size == size
    assert apart(larger.resize((320, 180), Image.Resampling.BOX), Image.open(source)) < 3


def test_removing_the_background_keeps_the_subject(tmp_path):
    source = photo(tmp_path / "in.png")
    cut = Image.open(made(tmp_path / "o", "remove_background", given("image", "image", source), format="jpeg"))
    assert (cut.mode, cut.getpixel((2, 2))[3], cut.getpixel((160, 90))[3]) == ("RGBA", 0, 255)


@pytest.mark.parametrize(
    ("operation", "role", "kind"), [("image_to_image", "image", "image"), ("video_to_video", "video", "video")]
)
def test_a_broken_input_is_unusable(tmp_path, operation, role, kind):
    (tmp_path / "broken").write_bytes(b"not media at all" * 20)
    with pytest.raises(ProviderError) as caught:
        made(tmp_path / "o", operation, given(role, kind, tmp_path / "broken"))
    assert caught.value.code == "input_unusable"


# -- films --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("params", "size", "count", "rate"),
    [
        ({"resolution": "360p", "duration": 2}, (640, 360), 48, 24),
        ({"resolution": "480p", "aspect_ratio": "9:16", "duration": 1, "fps": 30}, (480, 854), 30, 30),
        ({"size": "320x240", "seconds": "1.5s", "fps": 12}, (320, 240), 18, 12),
    ],
)
def test_a_film_is_h264_and_aac_of_the_asked_size_and_length(tmp_path, params, size, count, rate):
    path = made(tmp_path, "text_to_video", **params)
    with av.open(str(path)) as found:
        video, audio = found.streams.video[0], found.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height, video.frames, video.average_rate) == (*size, count, rate)
        assert abs(found.duration / 1e6 - count / rate) < 1.5 / rate
        assert found.metadata["comment"] == "mocked by Mediagen"
        assert not {"creation_time", "encoder"} & {*found.metadata, *video.metadata}
    assert abs(sound_seconds(path) - count / rate) < 0.1
    assert path.read_bytes().index(b"moov") < path.read_bytes().index(b"mdat")


def test_a_film_moves_and_can_be_silent(tmp_path):
    path = made(tmp_path, "text_to_video", audio=False, **SMALL)
    shots = frames(path)
    assert apart(shots[0], shots[-1]) > 3
    with av.open(str(path)) as found:
        assert not found.streams.audio


def test_the_first_frame_is_shown_whole_then_moves(tmp_path):
    source = photo(tmp_path / "in.png", (640, 360))
    path = made(tmp_path / "o", "image_to_video", given("first_frame", "image", source), duration=1)
    shots, original = frames(path), Image.open(source)
    assert shots[0].size == (640, 360)
    assert apart(shots[0], original) < 4
    assert apart(shots[-1], original) > apart(shots[0], original) + 2


def test_the_first_frame_of_another_shape_is_cut_to_the_asked_one(tmp_path):
    source = photo(tmp_path / "in.png", (400, 400))
    path = made(tmp_path / "o", "image_to_video", given("first_frame", "image", source), aspect_ratio="16:9", **SMALL)
    assert frames(path)[0].size == (640, 360)


def test_the_last_frame_ends_the_film(tmp_path):
    end = Image.new("RGB", (320, 180), (20, 200, 60))
    end.save(tmp_path / "end.png")
    inputs = (
        given("first_frame", "image", photo(tmp_path / "in.png")),
        given("last_frame", "image", tmp_path / "end.png"),
    )
    shots = frames(made(tmp_path / "o", "image_to_video", *inputs, duration=1))
    assert apart(shots[-1], end) < 6 < apart(shots[0], end)


@pytest.fixture
def clip(tmp_path) -> InputFile:
    return given("video", "video", made(tmp_path / "clip", "text_to_video", **SMALL))


def test_restyling_keeps_length_size_and_some_of_the_pictures(tmp_path, clip):
    path = made(tmp_path / "o", "video_to_video", clip, prompt="neon rain", strength=0.2, fps=12)
    before, after = frames(clip.path), frames(path)
    assert (len(after), after[0].size) == (len(before), before[0].size)
    assert 1 < apart(before[6], after[6]) < 40
    assert abs(sound_seconds(path) - 1) < 0.1


def test_extending_keeps_the_video_and_goes_on_from_its_end(tmp_path, clip):
    after = frames(made(tmp_path / "o", "extend_video", clip, duration=2, fps=12))
    before = frames(clip.path)
    assert len(after) == 36
    assert max(apart(before[at], after[at]) for at in (0, 6, 11)) < 4
    assert apart(after[12], before[-1]) < 6 < apart(after[-1], before[-1])


def test_upscaling_a_video_doubles_it(tmp_path, clip):
    after = frames(made(tmp_path / "o", "upscale_video", clip, fps=12))
    assert (after[0].size, len(after)) == ((1280, 720), 12)
    assert apart(after[3].resize((640, 360)), frames(clip.path)[3]) < 4


@pytest.mark.parametrize("kind", ["image", "video"])
def test_lip_sync_lasts_as_long_as_the_voice(tmp_path, clip, kind):
    voice = given("audio", "audio", made(tmp_path / "v", "text_to_speech", prompt="z" * 28, format="wav"))
    face = clip if kind == "video" else given("video", "image", photo(tmp_path / "in.png"))
    path = made(tmp_path / "o", "lip_sync", face, voice, fps=12)
    assert len(frames(path)) == 24
    assert abs(sound_seconds(path) - 2) < 0.1


# -- sound, words, things -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("ending", "codec"),
    [("wav", "pcm_s16le"), ("mp3", "mp3float"), ("flac", "flac"), ("opus", "libopus"), ("aac", "aac")],
)
def test_sound_is_as_long_as_asked_in_every_format(tmp_path, ending, codec):
    path = made(tmp_path, "text_to_music", duration=5, format=ending)
    with av.open(str(path)) as found:
        assert found.streams.audio[0].codec_context.name.replace("libopus", "opus") == codec.replace("libopus", "opus")
        told = {**found.metadata, **found.streams.audio[0].metadata}
        assert "mocked by Mediagen" in {told.get(name) for name in ("comment", "COMMENT", "DESCRIPTION", "ICMT")}
    assert abs(sound_seconds(path) - 5) < 0.1


def test_speech_lasts_as_long_as_its_text(tmp_path):
    short, long = (made(tmp_path / str(size), "text_to_speech", prompt="hello world. " * size) for size in (2, 10))
    assert sound_seconds(short) == pytest.approx(25 / 14, abs=0.1)  # blanks at the end are not spoken
    assert sound_seconds(long) == pytest.approx(129 / 14, abs=0.1)


def test_voices_and_speeds_differ(tmp_path):
    plain, other, quick = (
        made(tmp_path / name, "text_to_speech", **params)
        for name, params in (("a", {"voice": "ada"}), ("b", {"voice": "ben"}), ("c", {"speed": 2}))
    )
    assert plain.read_bytes() != other.read_bytes()
    assert sound_seconds(quick) == pytest.approx(sound_seconds(plain) / 2, abs=0.05)


def test_nothing_to_say_is_still_a_sound_file(tmp_path):
    assert sound_seconds(made(tmp_path, "text_to_speech", prompt="")) > 0


def test_a_script_has_sections_in_both_formats(tmp_path):
    text = made(tmp_path, "text_to_text", sections=3, duration=30).read_text()
    assert text.startswith("# A Lighthouse At Dusk") and text.count("\n## ") == 3
    story = json.loads(made(tmp_path, "text_to_text", sections=3, duration=30, format="json").read_text())
    assert [section["start"] for section in story["sections"]] == [0, 10, 20]
    assert story["mocked"] is True


def test_a_transcript_says_it_is_none_and_how_long_the_sound_is(tmp_path):
    voice = given("audio", "audio", made(tmp_path / "v", "text_to_speech", prompt="z" * 28))
    text = made(tmp_path / "o", "speech_to_text", voice).read_text()
    assert "Mock transcript" in text and "2.00 seconds" in text
    told = json.loads(made(tmp_path / "o", "speech_to_text", voice, format="json").read_text())
    assert told["duration"] == pytest.approx(2, abs=0.01)
    assert (
        made(tmp_path / "o", "speech_to_text", voice, format="srt")
        .read_text()
        .startswith("1\n00:00:00,000 --> 00:00:02,")
    )


def glb(data: bytes) -> tuple[dict, bytes]:
    magic, version, length = struct.unpack_from("<4sII", data)
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    body = 20 + size
    assert struct.unpack_from("<I4s", data, body) == (len(data) - body - 8, b"BIN\0")
    return json.loads(data[20:body]), data[body + 8 :]


@pytest.mark.parametrize("seed", range(4))
def test_a_mesh_is_a_sound_glb(tmp_path, seed):
    head, whole = glb(made(tmp_path, "text_to_3d", seed=seed).read_bytes())
    points, _, places, order = head["accessors"]
    assert head["asset"]["extras"] == {"mocked": True}
    assert head["buffers"][0]["byteLength"] == len(whole)
    indices = struct.unpack_from(f"<{order['count']}I", whole, head["bufferViews"][3]["byteOffset"])
    assert max(indices) == points["count"] - 1 == places["count"] - 1
    flat = struct.unpack_from(f"<{points['count'] * 3}f", whole)
    rows = [flat[at : at + 3] for at in range(0, len(flat), 3)]
    assert [min(axis) for axis in zip(*rows, strict=True)] == points["min"] == [-0.5] * 3
    volume = sum(_signed(*(rows[corner] for corner in indices[at : at + 3])) for at in range(0, len(indices), 3))
    assert 0.4 < volume <= 1.001  # faces look outwards


def _signed(a, b, c) -> float:
    return sum(a[i] * (b[(i + 1) % 3] * c[(i + 2) % 3] - b[(i + 2) % 3] * c[(i + 1) % 3]) for i in range(3)) / 6


def test_a_mesh_from_a_picture_wears_it(tmp_path):
    source = photo(tmp_path / "in.png", (512, 512))
    head, whole = glb(made(tmp_path / "o", "image_to_3d", given("image", "image", source)).read_bytes())
    view = head["bufferViews"][head["images"][0]["bufferView"]]
    (tmp_path / "skin.png").write_bytes(whole[view["byteOffset"] : view["byteOffset"] + view["byteLength"]])
    assert apart(Image.open(tmp_path / "skin.png"), Image.open(source)) == 0
