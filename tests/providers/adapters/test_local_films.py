"""Local's films and sounds: each operation really does what it says, within its bounds."""

from __future__ import annotations

import struct
from array import array
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
from PIL import Image, ImageChops, ImageStat

from providers.adapters.local import limits
from providers.adapters.local.adapter import OPERATIONS, Adapter
from providers.catalogue import load
from providers.errors import ProviderError
from providers.types import InputFile, Job, Output

RED, GREEN, BLUE = (220, 30, 30), (30, 200, 60), (30, 60, 220)
RATE = 48_000


def run(room: Path, operation: str, *inputs: InputFile, **params) -> Output:
    adapter = Adapter(SimpleNamespace(name="Local", statuses={}, credentials=()))
    of = Job(
        reference="r", operation=operation, model=operation, params=params, inputs=inputs, scratch=room / "scratch"
    )
    (output,) = adapter.submit(of).outputs
    assert output.file.parent == room / "scratch"
    return output


def given(role: str, kind: str, path: Path, position: int = 0) -> InputFile:
    return InputFile(role=role, kind=kind, mime="", path=path, name=path.name, position=position)


def film(path: Path, *colours, size=(160, 96), fps=12, tone: int = 0, each: float = 1.0) -> Path:
    """A second of each colour, with a square wave of that loudness under all of it."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = out.add_stream("aac", rate=RATE, layout="mono") if tone else None
        stills = [colour for colour in colours for _ in range(round(fps * each))]
        for index, colour in enumerate(stills):
            frame = av.VideoFrame.from_image(Image.new("RGB", size, colour))
            frame.pts, frame.time_base = index, Fraction(1, fps)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio:
            out.mux(audio.encode(_wave(tone, len(stills) / fps)))
            out.mux(audio.encode(None))
    return path


def _wave(level: int, seconds: float) -> av.AudioFrame:
    samples = array("h", ([level] * 100 + [-level] * 100) * round(seconds * RATE / 200))
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples))
    frame.planes[0].update(samples.tobytes())
    frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
    return frame


def sound(path: Path, *, seconds: float = 2.0, level: int = 12_000) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream({"wav": "pcm_s16le", "mp3": "libmp3lame"}[path.suffix[1:]], rate=RATE, layout="mono")
        out.mux(stream.encode(_wave(level, seconds)))
        out.mux(stream.encode(None))
    return path


def frames(path: Path) -> list[Image.Image]:
    with av.open(str(path)) as found:
        return [frame.to_image() for frame in found.decode(video=0)]


def is_colour(picture: Image.Image, colour: tuple[int, int, int]) -> bool:
    apart = ImageChops.difference(picture.convert("RGB"), Image.new("RGB", picture.size, colour))
    return max(ImageStat.Stat(apart).mean) < 12


def loudness(path: Path) -> list[int]:
    """The loudest sample of each tenth of a second."""
    made = array("h")
    with av.open(str(path)) as found:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        for frame in found.decode(audio=0):
            for part in resampler.resample(frame):
                made.frombytes(bytes(part.planes[0])[: part.samples * 2])
    step = RATE // 10
    return [max(map(abs, made[at : at + step])) for at in range(0, len(made), step)]


# -- joining and sound tracks -------------------------------------------------------------------------------------------
def test_joined_videos_follow_each_other_at_the_size_of_the_first(tmp_path):
    one = film(tmp_path / "1.mp4", RED)
    two = film(tmp_path / "2.mp4", GREEN, size=(320, 192), fps=24)
    three = film(tmp_path / "3.mp4", BLUE, size=(96, 160))
    clips = [given("video", "video", path, place) for place, path in enumerate((one, two, three))]
    output = run(tmp_path, "concat_video", *reversed(clips))
    shots = frames(output.file)
    assert (len(shots), shots[0].size, output.facts["seconds"], output.facts["clips"]) == (36, (160, 96), 3.0, 3)
    assert is_colour(shots[6], RED) and is_colour(shots[18], GREEN)
    assert is_colour(shots[30].crop((60, 10, 100, 86)), BLUE)
    assert is_colour(shots[30].crop((0, 0, 40, 96)), (0, 0, 0))  # the upright clip stands whole, with black beside it


def test_joining_keeps_sound_in_its_place_and_silence_where_there_was_none(tmp_path):
    quiet, loud = film(tmp_path / "1.mp4", RED), film(tmp_path / "2.mp4", GREEN, tone=9_000)
    output = run(tmp_path, "concat_video", given("video", "video", quiet), given("video", "video", loud, 1))
    heard = loudness(output.file)
    assert max(heard[1:9]) < 300 and min(heard[11:19]) > 5_000
    assert output.facts["sound"] is True


def test_silent_videos_join_without_a_sound_track(tmp_path):
    clips = [given("video", "video", film(tmp_path / f"{place}.mp4", RED), place) for place in range(2)]
    with av.open(str(run(tmp_path, "concat_video", *clips).file)) as found:
        assert not found.streams.audio


@pytest.mark.parametrize("count", [1, 21])
def test_joining_takes_two_to_twenty(tmp_path, count):
    path = film(tmp_path / "1.mp4", RED)
    with pytest.raises(ProviderError, match="2 to 20") as caught:
        run(tmp_path, "concat_video", *(given("video", "video", path, place) for place in range(count)))
    assert caught.value.code == "invalid_input"


@pytest.mark.parametrize(("loop", "quiet_end"), [(False, True), (True, False)])
def test_a_short_sound_ends_or_repeats_under_the_video(tmp_path, loop, quiet_end):
    video, voice = film(tmp_path / "v.mp4", RED, GREEN, BLUE, tone=2_000), sound(tmp_path / "a.wav", seconds=1)
    output = run(tmp_path, "mux_audio", given("video", "video", video), given("audio", "audio", voice), loop=loop)
    heard = loudness(output.file)
    assert min(heard[1:9]) > 9_000  # the new sound, not the video's own
    assert (max(heard[12:28]) < 300) is quiet_end
    assert len(frames(output.file)) == 36


def test_a_long_sound_is_cut_at_the_end_of_the_video(tmp_path):
    video, voice = film(tmp_path / "v.mp4", RED), sound(tmp_path / "a.mp3", seconds=5)
    output = run(tmp_path, "mux_audio", given("video", "video", video), given("audio", "audio", voice))
    assert 10 <= len(loudness(output.file)) <= 11
    assert is_colour(frames(output.file)[5], RED)


# -- formats ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("ending", "video", "audio"), [("mp4", "h264", "aac"), ("mov", "h264", "aac"), ("webm", "vp9", "opus")]
)
def test_a_video_becomes_another_video(tmp_path, ending, video, audio):
    source = film(tmp_path / "v.mp4", RED, BLUE, tone=8_000)
    output = run(tmp_path, "transcode", given("source", "video", source), format=ending)
    with av.open(str(output.file)) as found:
        names = found.streams.video[0].codec_context.name, found.streams.audio[0].codec_context.name
        assert [name.replace("libvpx-", "").replace("libopus", "opus") for name in names] == [video, audio]
        assert abs(found.duration / 1e6 - 2) < 0.1
    shots = frames(output.file)
    assert (output.kind, len(shots)) == ("video", 24)
    assert is_colour(shots[6], RED) and is_colour(shots[18], BLUE)


@pytest.mark.parametrize(
    ("ending", "codec"), [("mp3", "mp3"), ("wav", "pcm_s16le"), ("flac", "flac"), ("ogg", "opus"), ("m4a", "aac")]
)
def test_the_sound_is_taken_out_of_a_video(tmp_path, ending, codec):
    source = film(tmp_path / "v.mp4", RED, tone=8_000)
    output = run(tmp_path, "transcode", given("source", "video", source), format=ending)
    with av.open(str(output.file)) as found:
        assert codec in found.streams.audio[0].codec_context.name
        assert not found.streams.video
    assert output.kind == "audio"
    assert min(loudness(output.file)[1:9]) > 4_000


def test_a_video_becomes_a_moving_gif(tmp_path):
    output = run(tmp_path, "transcode", given("source", "video", film(tmp_path / "v.mp4", RED, BLUE)), format="gif")
    with Image.open(output.file) as moving:
        assert (output.kind, moving.format, moving.is_animated, moving.size) == ("image", "GIF", True, (160, 96))
        assert is_colour(moving.convert("RGB"), RED)
        moving.seek(moving.n_frames - 1)
        assert is_colour(moving.convert("RGB"), BLUE)


@pytest.mark.parametrize(("kind", "ending"), [("video", "png"), ("audio", "png"), ("image", "mp3"), ("audio", "mp4")])
def test_what_cannot_become_the_other_is_refused_in_words(tmp_path, kind, ending):
    makers = {"video": lambda: film(tmp_path / "v.mp4", RED), "audio": lambda: sound(tmp_path / "a.wav")}
    path = makers[kind]() if kind in makers else tmp_path / "p.png"
    if kind == "image":
        Image.new("RGB", (32, 32), RED).save(path)
    with pytest.raises(ProviderError) as caught:
        run(tmp_path, "transcode", given("source", kind, path), format=ending)
    assert caught.value.code in ("unsupported", "input_unusable")
    assert caught.value.message.endswith(".")


# -- cutting and resizing -----------------------------------------------------------------------------------------------
def test_trimming_keeps_the_asked_part_with_its_sound(tmp_path):
    source = film(tmp_path / "v.mp4", RED, GREEN, BLUE, tone=8_000)
    output = run(tmp_path, "trim", given("source", "video", source), start=1, duration=1.5)
    shots = frames(output.file)
    assert (len(shots), output.facts["seconds"]) == (18, 1.5)
    assert is_colour(shots[1], GREEN) and is_colour(shots[10], GREEN) and is_colour(shots[16], BLUE)
    assert min(loudness(output.file)[1:14]) > 4_000


def test_trimming_far_into_a_video_seeks_to_the_right_picture(tmp_path):
    source = film(tmp_path / "v.mp4", RED, GREEN, BLUE, RED, GREEN, BLUE)
    shots = frames(run(tmp_path, "trim", given("source", "video", source), start=4).file)
    assert len(shots) == 24
    assert is_colour(shots[0], GREEN) and is_colour(shots[-1], BLUE)


@pytest.mark.parametrize("ending", ["wav", "mp3"])
def test_trimming_a_sound_keeps_its_format(tmp_path, ending):
    source = sound(tmp_path / f"a.{ending}", seconds=3)
    output = run(tmp_path, "trim", given("source", "audio", source), start=0.5, duration=1)
    assert (output.kind, output.file.suffix, output.facts["seconds"]) == ("audio", f".{ending}", 1.0)


def test_trimming_away_everything_is_refused(tmp_path):
    with pytest.raises(ProviderError, match=r"2\.00 s long"):
        run(tmp_path, "trim", given("source", "audio", sound(tmp_path / "a.wav")), start=3)


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"width": 80}, (80, 48)),
        ({"height": 192}, (320, 192)),
        ({"width": 101, "height": 51, "fit": "stretch"}, (100, 52)),
    ],
)
def test_a_resized_video_has_the_asked_size_and_its_sound(tmp_path, params, size):
    source = film(tmp_path / "v.mp4", RED, tone=8_000)
    output = run(tmp_path, "resize", given("source", "video", source), **params)
    shots = frames(output.file)
    assert all(abs(a - b) <= 2 for a, b in zip(shots[0].size, size, strict=True)) and not shots[0].width % 2
    assert (len(shots), is_colour(shots[3], RED)) == (12, True)
    assert min(loudness(output.file)[1:9]) > 4_000


def test_fitting_a_video_covers_or_contains(tmp_path):
    source = given("source", "video", film(tmp_path / "v.mp4", RED))
    whole = frames(run(tmp_path, "resize", source, width=96, height=96).file)[0]
    assert is_colour(whole.crop((0, 0, 96, 14)), (0, 0, 0)) and is_colour(whole.crop((0, 24, 96, 72)), RED)
    filled = frames(run(tmp_path, "resize", source, width=96, height=96, fit="cover").file)[0]
    assert is_colour(filled, RED)


@pytest.mark.parametrize(("matrix", "left_top"), [((0, 1, -1, 0), RED), ((0, -1, 1, 0), BLUE)])
def test_a_video_turned_by_its_camera_comes_out_upright(tmp_path, matrix, left_top):
    """The file's matrix says a quarter turn; red is left and blue is right as the pictures are kept."""
    path = tmp_path / "v.mp4"
    kept = Image.new("RGB", (160, 96), RED)
    kept.paste(BLUE, (80, 0, 160, 96))
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=12)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        for index in range(12):
            frame = av.VideoFrame.from_image(kept)
            frame.pts, frame.time_base = index, Fraction(1, 12)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", data, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    item = given("source", "video", path)
    shot = frames(run(tmp_path, "transcode", item, format="webm").file)[3]
    assert shot.size == (96, 160)
    assert is_colour(shot.crop((0, 0, 96, 70)), left_top)
    still = Image.open(run(tmp_path, "extract_frame", item).file)
    assert (still.size, is_colour(still.crop((0, 0, 96, 70)), left_top)) == ((96, 160), True)


# -- bounds -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "operation", ["extract_frame", "concat_video", "mux_audio", "transcode", "resize", "trim", "waveform"]
)
def test_a_broken_file_is_unusable_and_says_so(tmp_path, operation):
    (tmp_path / "broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + b"junk" * 200)
    inputs = [
        given(role, "video", tmp_path / "broken.mp4", place)
        for place, role in enumerate(("video", "video", "source", "audio"))
    ]
    with pytest.raises(ProviderError) as caught:
        run(tmp_path, operation, *inputs, format="mp4", width=64)
    assert caught.value.code == "input_unusable"
    assert "Give" in caught.value.message or "Transcode" in caught.value.message


def test_a_cut_off_file_is_worked_on_as_far_as_it_goes_or_refused(tmp_path):
    whole = film(tmp_path / "v.mp4", RED, GREEN)
    (tmp_path / "half.mp4").write_bytes(whole.read_bytes()[:-900])
    with pytest.raises(ProviderError) as caught:
        run(tmp_path, "transcode", given("source", "video", tmp_path / "half.mp4"), format="webm")
    assert caught.value.code == "input_unusable"


def test_too_long_too_large_and_too_much_are_refused(tmp_path, monkeypatch):
    source = given("source", "video", film(tmp_path / "v.mp4", RED, GREEN))
    for name, most, words in (
        ("max_seconds", 1, "at most 1 s"),
        ("max_pixels", 100, "160 x 96"),
        ("max_gigapixels", 1e-6, "too much"),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(limits.LIMITS, name, most)
            with pytest.raises(ProviderError, match=words) as caught:
                run(tmp_path, "transcode", source, format="mp4")
            assert caught.value.code == "input_unusable"


def test_check_tells_from_the_facts_alone():
    adapter = Adapter(SimpleNamespace(name="Local"))
    long = InputFile(role="video", kind="video", mime="", seconds=500.0)
    of = Job(reference="r", operation="mux_audio", model="mux-audio", params={}, inputs=(long,))
    assert [problem.field for problem in adapter.check(of)] == ["video"]
    assert not list(adapter.check(Job(reference="r", operation="trim", model="trim", params={}, inputs=(long,))))
    assert [
        problem.field for problem in adapter.check(Job(reference="r", operation="resize", model="resize", params={}))
    ] == ["width"]


def test_the_catalogue_and_the_code_offer_the_same_within_the_same_bounds():
    catalogue = load(Path(limits.__file__).parent)
    assert {item.operation for item in catalogue.capabilities} == set(OPERATIONS)
    assert all(item.model == item.operation.replace("_", "-") for item in catalogue.capabilities)
    assert all(item.traits["immediate"] and item.price["kind"] == "free" for item in catalogue.capabilities)
    declared = {name: most for item in catalogue.capabilities for name, most in item.limits.items()}
    assert declared == limits.LIMITS


def test_an_operation_it_lacks_is_refused_by_name(tmp_path):
    with pytest.raises(ProviderError, match="text_to_image") as caught:
        run(tmp_path, "text_to_image")
    assert caught.value.code == "unsupported"
