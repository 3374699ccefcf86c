"""How much one job may take, and opening inputs within it: whatever cannot be read becomes input_unusable.

The catalogue declares the same numbers; a test keeps the two alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.error
from PIL import Image, ImageOps

from providers.errors import ProviderError

LIMITS = {
    "max_seconds": 180,  # of a video
    "max_audio_seconds": 600,
    "max_pixels": 8_847_360,  # of one video picture: 4096 x 2160
    "max_gigapixels": 12,  # of all pictures written: 180 s of 1080p at 30
    "max_image_pixels": 50_000_000,
    "max_gif_seconds": 20,
    "max_mesh_bytes": 67_108_864,
}


def unusable(message: str) -> ProviderError:
    return ProviderError("input_unusable", message, charged=False)


@contextmanager
def media(path: Path) -> Iterator[Any]:
    """An open container; what goes wrong while it is read is the input's fault."""
    try:
        with av.open(str(path)) as found:
            yield found
    except av.error.FFmpegError as error:
        raise unusable("The input cannot be decoded. Give a file that plays, such as MP4, WebM, MP3 or WAV.") from error


def picture(path: Path) -> Image.Image:
    """The input as pixels, turned as its camera meant."""
    try:
        with Image.open(path) as found:
            bounded_image(found.size)
            turned = ImageOps.exif_transpose(found)
            return turned.convert("RGBA" if turned.has_transparency_data else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise unusable("The picture cannot be opened. Give a PNG, JPEG, WebP or GIF that is whole.") from error


def video_of(found: Any) -> Any:
    if not found.streams.video:
        raise unusable("The input holds no pictures. Give a video.")
    stream = found.streams.video[0]
    if not stream.width or not stream.height:
        raise unusable("The video does not say its size. Give a file that plays.")
    if stream.width * stream.height > LIMITS["max_pixels"]:
        raise unusable(
            f"The video is {stream.width} x {stream.height}; at most 4096 x 2160 is taken. Give a smaller one."
        )
    return stream


def audio_of(found: Any) -> Any:
    if not found.streams.audio:
        raise unusable("The input holds no sound. Give a recording or a video with sound.")
    return found.streams.audio[0]


def seconds_of(found: Any, stream: Any = None) -> float:
    """Length as the stream says it, else the container; 0 when neither does."""
    if stream is not None and stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (found.duration or 0) / 1_000_000


def rate_of(stream: Any) -> int:
    """Pictures per second, whole and sensible."""
    return min(60, max(1, round(float(stream.average_rate or stream.guessed_rate or 25))))


def bounded_video(*, seconds: float, size: tuple[int, int], fps: int) -> None:
    most = LIMITS["max_seconds"]
    if seconds > most:
        raise unusable(f"That is {seconds:.0f} s of video; at most {most} s are made at once. Trim it first.")
    if size[0] * size[1] > LIMITS["max_pixels"]:
        raise unusable(f"{size[0]} x {size[1]} is more than 4096 x 2160. Ask for a smaller size.")
    if seconds * fps * size[0] * size[1] > LIMITS["max_gigapixels"] * 1e9:
        raise unusable("That is too much video for one job. Ask for a smaller size or a shorter part.")


def bounded_audio(seconds: float) -> None:
    most = LIMITS["max_audio_seconds"]
    if seconds > most:
        raise unusable(f"That is {seconds:.0f} s of sound; at most {most} s are taken. Trim it first.")


def bounded_image(size: tuple[int, int]) -> None:
    if size[0] * size[1] > LIMITS["max_image_pixels"]:
        raise unusable(f"The picture is {size[0]} x {size[1]}; at most 50 megapixels are taken. Give a smaller one.")
