"""Video pictures as three Pillow planes (Y, U, V at 4:2:0, limited range), and the H.264/AAC writer that takes them.

Working on planes lets Pillow crop and paste what the encoder wants, with no conversion per frame. One thread and the
bit-exact flags make the same pictures the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.video.frame import VideoFrame
from PIL import Image

from providers.errors import ProviderError

from .image import MARK

RATE = 44_100  # samples per second of every sound track made here, one channel of 16 bits
BT601 = 5  # colour matrix Pillow's YCbCr uses; said in the stream so that players turn it back alike
_LIMITED = 1
_LUMA = [16 + round(level * 219 / 255) for level in range(256)]
_CHROMA = [128 + round((level - 128) * 224 / 255) for level in range(256)]
Size = tuple[int, int]


class Planes(NamedTuple):
    y: Image.Image
    u: Image.Image
    v: Image.Image

    @property
    def size(self) -> Size:
        return self.y.size

    def crop(self, left: int, top: int, size: Size) -> Planes:
        """Cut out at even places, so that the colour planes follow."""
        half = (left // 2, top // 2, (left + size[0]) // 2, (top + size[1]) // 2)
        return Planes(self.y.crop((left, top, left + size[0], top + size[1])), self.u.crop(half), self.v.crop(half))

    def zoom(self, box: tuple[float, float, float, float], size: Size) -> Planes:
        half = (box[0] / 2, box[1] / 2, box[2] / 2, box[3] / 2)
        small = size[0] // 2, size[1] // 2
        way = Image.Resampling.BILINEAR
        return Planes(
            self.y.resize(size, way, box=box), self.u.resize(small, way, box=half), self.v.resize(small, way, box=half)
        )

    def blend(self, other: Planes, share: float) -> Planes:
        return Planes(*(Image.blend(mine, theirs, share) for mine, theirs in zip(self, other, strict=True)))

    def copy(self) -> Planes:
        return Planes(self.y.copy(), self.u.copy(), self.v.copy())


class Sprite(NamedTuple):
    """A picture with see-through parts, ready to paste on planes at even places."""

    planes: Planes
    alpha: Image.Image
    half: Image.Image
    at: tuple[int, int]

    def paste(self, onto: Planes, left: int | None = None, top: int | None = None) -> None:
        x, y = (self.at[0] if left is None else left // 2 * 2), (self.at[1] if top is None else top // 2 * 2)
        onto.y.paste(self.planes.y, (x, y), self.alpha)
        onto.u.paste(self.planes.u, (x // 2, y // 2), self.half)
        onto.v.paste(self.planes.v, (x // 2, y // 2), self.half)


def planes(picture: Image.Image) -> Planes:
    y, u, v = picture.convert("RGB").convert("YCbCr").split()
    half = picture.width // 2, picture.height // 2
    small = (part.resize(half, Image.Resampling.BOX).point(_CHROMA) for part in (u, v))
    return Planes(y.point(_LUMA), *small)


def sprites(sheet: Image.Image) -> list[Sprite]:
    """The used parts of an RGBA sheet: its upper and its lower half, each cut to what is drawn."""
    middle = sheet.height // 4 * 2
    boxes = ((0, 0, sheet.width, middle), (0, middle, sheet.width, sheet.height))
    return [sprite(sheet, box) for box in boxes if sheet.crop(box).getchannel("A").getbbox()]


def sprite(sheet: Image.Image, box: tuple[int, int, int, int]) -> Sprite:
    left, top, right, bottom = sheet.crop(box).getchannel("A").getbbox() or (0, 0, 2, 2)
    left, top = (left + box[0]) // 2 * 2, (top + box[1]) // 2 * 2
    right, bottom = (right + box[0] + 1) // 2 * 2, (bottom + box[1] + 1) // 2 * 2
    part = sheet.crop((left, top, right, bottom))
    alpha = part.getchannel("A")
    half = alpha.resize((part.width // 2, part.height // 2), Image.Resampling.BOX)
    return Sprite(planes(part), alpha, half, (left, top))


def write(path: Path, frames: Iterable[Planes], *, size: Size, fps: int, sound: bytes, comment: str = MARK) -> None:
    """An MP4 that starts playing before it is whole; each second of sound is laid beside its second of pictures."""
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(path), "w", format="mp4", options=options) as out:
        out.metadata["comment"] = comment
        video = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "28"})
        _prepare_video(video, size)
        audio: Any = out.add_stream("aac", rate=RATE, layout="mono", options={"b": "64k"}) if sound else None
        if audio:
            _exact(audio)
        for index, picture in enumerate(frames):
            out.mux(video.encode(_frame(picture, index, fps)))
            if audio and index % fps == 0:
                second = sound[index // fps * RATE * 2 : (index // fps + 1) * RATE * 2]
                out.mux(_encoded(audio, second, index // fps * RATE))
        out.mux(video.encode(None))
        if audio:
            out.mux(audio.encode(None))


def _prepare_video(stream: Any, size: Size) -> None:
    stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"
    stream.codec_context.color_range, stream.codec_context.colorspace = _LIMITED, BT601
    _exact(stream)


def _exact(stream: Any) -> None:
    stream.codec_context.thread_count = 1
    stream.codec_context.flags |= Flags.bitexact


def _frame(picture: Planes, index: int, fps: int) -> VideoFrame:
    frame = VideoFrame(picture.y.width, picture.y.height, "yuv420p")
    for target, source in zip(frame.planes, picture, strict=True):
        wide = target.line_size
        padded = source if source.width == wide else source.crop((0, 0, wide, source.height))
        target.update(padded.tobytes())
    frame.color_range, frame.colorspace = _LIMITED, BT601
    frame.pts, frame.time_base = index, Fraction(1, fps)
    return frame


def _encoded(stream: AudioStream, samples: bytes, start: int) -> list[Any]:
    if not samples:
        return []
    frame = AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
    frame.planes[0].update(samples)
    frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
    return list(stream.encode(frame))


def read(path: Path, *, size: Size, fps: int, most: int) -> Iterator[Planes]:
    """The input's pictures at our size and rate: the one shown at each moment, as many as `most`."""
    shown, held, last = 0, None, 0.0
    for moment, frame in _decoded(path):
        while held is not None and shown < most and shown / fps < moment - 0.001:
            yield held
            shown += 1
        if shown >= most:
            return
        held, last = _fitted(frame, size), moment
    while held is not None and shown < min(most, round(last * fps) + 1):
        yield held
        shown += 1


def _fitted(frame: VideoFrame, size: Size) -> Planes:
    fitted = frame.reformat(width=size[0], height=size[1], format="yuv420p", dst_colorspace=BT601)
    return Planes(*(_plane(plane) for plane in fitted.planes))


def _plane(plane: Any) -> Image.Image:
    return Image.frombytes("L", (plane.line_size, plane.height), bytes(plane)).crop((0, 0, plane.width, plane.height))


def _decoded(path: Path) -> Iterator[tuple[float, VideoFrame]]:
    try:
        with av.open(str(path)) as found:
            if not found.streams.video:
                raise ProviderError("input_unusable", "The input holds no pictures. Give a video.")
            start: float | None = None
            for frame in found.decode(video=0):
                start = frame.time or 0.0 if start is None else start
                yield (frame.time or 0.0) - start, frame
    except av.error.FFmpegError as error:
        raise ProviderError("input_unusable", "The input video cannot be decoded. Give an MP4 or WebM.") from error


class Facts(NamedTuple):
    size: Size
    seconds: float


def facts(path: Path) -> Facts:
    try:
        with av.open(str(path)) as found:
            if not found.streams.video:
                raise ProviderError("input_unusable", "The input holds no pictures. Give a video.")
            video = found.streams.video[0]
            long = float(video.duration * video.time_base) if video.duration and video.time_base else 0.0
            return Facts((video.width, video.height), long or (found.duration or 0) / 1_000_000)
    except av.error.FFmpegError as error:
        raise ProviderError("input_unusable", "The input video cannot be opened. Give an MP4 or WebM.") from error
