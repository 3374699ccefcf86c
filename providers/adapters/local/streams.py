"""Moving media in and out: pictures and sound read at one rate and size, written as MP4, WebM or a sound file.

Sound travels as 16-bit stereo at one rate; one container is written at a time, second by second.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame
from PIL import Image, ImageOps

from . import limits

RATE = 48_000
BYTES = 4  # of one moment of 16-bit stereo
Size = tuple[int, int]


class Form(NamedTuple):
    container: str
    video: str
    audio: str
    options: dict[str, str]


VIDEO = {
    "mp4": Form("mp4", "libx264", "aac", {"preset": "veryfast", "crf": "23"}),
    "mov": Form("mov", "libx264", "aac", {"preset": "veryfast", "crf": "23"}),
    "webm": Form("webm", "libvpx-vp9", "libopus", {"deadline": "realtime", "cpu-used": "8", "crf": "34", "b": "0"}),
}
AUDIO = {
    "mp3": Form("mp3", "", "libmp3lame", {"b": "192k"}),
    "wav": Form("wav", "", "pcm_s16le", {}),
    "flac": Form("flac", "", "flac", {}),
    "ogg": Form("ogg", "", "libopus", {"b": "128k"}),
    "m4a": Form("mp4", "", "aac", {"b": "192k"}),
}


class Shape(NamedTuple):
    size: Size
    fps: int
    seconds: float
    sounds: bool


def even(size: tuple[float, float]) -> Size:
    return max(2, round(size[0] / 2) * 2), max(2, round(size[1] / 2) * 2)


def shape(path: Path) -> Shape:
    """Size, rate and length of a video; a length nobody wrote down is measured by decoding."""
    with limits.media(path) as found:
        stream = limits.video_of(found)
        long = limits.seconds_of(found, stream)
        fps, sounds = limits.rate_of(stream), bool(found.streams.audio)
        first = next(found.decode(stream), None)
    if first is None:
        raise limits.unusable("The video holds no picture. Give a file that plays.")
    size = (first.height, first.width) if first.rotation % 180 else (first.width, first.height)
    return Shape(size, fps, long or _measured(path, fps), sounds)


def _measured(path: Path, fps: int) -> float:
    last = 0.0
    for moment, _ in decoded(path):
        last = moment
        limits.bounded_video(seconds=last, size=(2, 2), fps=1)
    return last + 1 / fps


def decoded(path: Path, *, start: float = 0.0) -> Iterator[tuple[float, VideoFrame]]:
    """Pictures with their moment counted from the first, those before `start` passed over quickly."""
    with limits.media(path) as found:
        stream = limits.video_of(found)
        stream.codec_context.thread_count = 1
        zero = float((stream.start_time or 0) * (stream.time_base or 0))
        if start > 2 and stream.time_base:
            found.seek(int((start + zero) / stream.time_base), stream=stream)
        for frame in found.decode(stream):
            yield max(0.0, (frame.time or 0.0) - zero), upright(frame)


def upright(frame: VideoFrame) -> VideoFrame:
    """Turned as its camera meant: what we write carries no note about turning."""
    if not frame.rotation % 360:
        return frame
    turned: VideoFrame = VideoFrame.from_image(frame.to_image().rotate(frame.rotation, expand=True))
    return turned


def pictures(
    path: Path, *, size: Size, fps: int, seconds: float, start: float = 0.0, fit: str = "contain"
) -> Iterator[VideoFrame]:
    """The picture shown at each moment from `start`, fitted into the size; the last stays till the end."""
    count, shown, held = round(seconds * fps), 0, None
    for moment, frame in decoded(path, start=start):
        while held is not None and shown < count and start + shown / fps < moment - 0.001:
            yield held
            shown += 1
        if shown >= count:
            return
        held = frame if moment + 1 / fps < start else fitted(frame, size, fit)
    while held is not None and shown < count:
        yield held
        shown += 1


def fitted(frame: VideoFrame, size: Size, fit: str = "contain") -> VideoFrame:
    """Scaled into the size; a picture of the same shape skips the detour over Pillow."""
    same = abs(frame.width * size[1] - frame.height * size[0]) <= max(size) * 2
    if same or fit == "stretch":
        scaled: VideoFrame = frame.reformat(width=size[0], height=size[1], format="yuv420p")
        return scaled
    fitting: VideoFrame = VideoFrame.from_image(fit_picture(frame.to_image(), size, fit)).reformat(format="yuv420p")
    return fitting


def fit_picture(picture: Image.Image, size: Size, fit: str) -> Image.Image:
    """cover fills the size and cuts, stretch bends, contain centres the whole on black (or on nothing)."""
    if fit == "cover":
        return ImageOps.fit(picture, size)
    if fit == "stretch":
        return picture.resize(size, Image.Resampling.LANCZOS)
    return ImageOps.pad(picture, size, color=(0, 0, 0, 0) if picture.mode == "RGBA" else (0, 0, 0))


def samples(path: Path, *, start: float = 0.0, seconds: float) -> bytes:
    """So many seconds of the first sound track from `start`, at most what there is; empty when there is none."""
    with limits.media(path) as found:
        if not found.streams.audio:
            return b""
        stream = found.streams.audio[0]
        # One channel is doubled here: the resampler would make it 3 dB quieter.
        size, layout = (BYTES // 2, "mono") if stream.channels == 1 else (BYTES, "stereo")
        resampler, made = AudioResampler(format="s16", layout=layout, rate=RATE), bytearray()
        wanted = round((start + seconds) * RATE) * size
        for frame in chain(found.decode(stream), [None]):
            for part in resampler.resample(frame):
                made += bytes(part.planes[0])[: part.samples * size]
            if len(made) >= wanted:
                break
        cut = bytes(made[round(start * RATE) * size : wanted])
        return _doubled(cut) if size < BYTES else cut


def _doubled(mono: bytes) -> bytes:
    both, one = array("h", bytes(len(mono) * 2)), array("h", mono)
    both[0::2], both[1::2] = one, one
    return both.tobytes()


def fill(track: bytes, seconds: float, *, loop: bool = False) -> bytes:
    """The track cut to exactly so long, with silence or itself behind it."""
    wanted = round(seconds * RATE) * BYTES
    if loop and track:
        track = track * -(-wanted // len(track))
    return track[:wanted] + bytes(max(0, wanted - len(track)))


def write_video(path: Path, frames: Iterable[VideoFrame], *, form: Form, size: Size, fps: int, sound: bytes) -> None:
    options = {"movflags": "+faststart"} if form.container in ("mp4", "mov") else {}
    waiting = iter(frames)
    with av.open(str(path), "w", format=form.container, options=options) as out:
        video: Any = out.add_stream(form.video, rate=fps, options=form.options)
        video.width, video.height, video.pix_fmt = size[0], size[1], "yuv420p"
        video.codec_context.thread_count = 1
        audio: Any = out.add_stream(form.audio, rate=RATE, layout="stereo") if sound else None
        second = 0
        while batch := list(islice(waiting, fps)):
            for index, frame in enumerate(batch, start=second * fps):
                out.mux(video.encode(_timed(frame, index, fps)))
            if audio:
                out.mux(_sounded(audio, sound, second))
            second += 1
        out.mux(video.encode(None))
        if audio:
            out.mux(audio.encode(None))
    if not second:
        raise limits.unusable("The video holds no picture in that part. Give a file that plays.")


def _timed(frame: VideoFrame, index: int, fps: int) -> VideoFrame:
    """A copy with our time on it: the same picture may be shown more than once."""
    again = frame.reformat(format="yuv420p") if frame.format.name != "yuv420p" else frame
    again.pts, again.time_base, again.pict_type = index, Fraction(1, fps), 0
    return again


def write_audio(path: Path, sound: bytes, *, form: Form) -> None:
    with av.open(str(path), "w", format=form.container) as out:
        stream: Any = out.add_stream(form.audio, rate=RATE, layout="stereo", options=form.options)
        for second in range(-(-len(sound) // (RATE * BYTES))):
            out.mux(_sounded(stream, sound, second))
        out.mux(stream.encode(None))


def _sounded(stream: Any, sound: bytes, second: int) -> list[Any]:
    part = sound[second * RATE * BYTES : (second + 1) * RATE * BYTES]
    if not part:
        return []
    frame = AudioFrame(format="s16", layout="stereo", samples=len(part) // BYTES)
    frame.planes[0].update(part)
    frame.sample_rate, frame.pts, frame.time_base = RATE, second * RATE, Fraction(1, RATE)
    return list(stream.encode(frame))
