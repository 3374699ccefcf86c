"""Opening pictures, films and sound within bounds, and making small pictures of them. Knows files, not rows."""

from __future__ import annotations

import contextlib
import io
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from django.conf import settings
from PIL import Image, ImageOps

from generations.sniffing import BadFile

Image.MAX_IMAGE_PIXELS = settings.MEDIAGEN_MAX_PIXELS  # the library's own guard agrees with ours
MAX_SIDE = 8192
THUMBNAIL = 512
PEAKS = 200
_PEAK_RATE = 8000
_ORIENTATION = 0x0112

# Each type is read by its own decoder only: nothing in a file can pick another one.
IMAGE_FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
}
_CONTAINERS = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "video/3gpp": "mov",
    "audio/mp4": "mov",
    "video/webm": "matroska",
    "audio/webm": "matroska",
    "video/x-matroska": "matroska",
    "audio/x-matroska": "matroska",
    "video/x-msvideo": "avi",
    "video/mpeg": None,  # program and transport streams: left to the library
    "video/ogg": "ogg",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/aiff": "aiff",
}


@contextlib.contextmanager
def open_image(path: Path, mime: str) -> Iterator[Image.Image]:
    """The image, not decoded yet, its size within the limit. What a decoder raises inside becomes BadFile."""
    try:
        with Image.open(path, formats=[IMAGE_FORMATS[mime]]) as image:
            check_pixels(*image.size)
            yield image
    except BadFile:
        raise
    except Image.DecompressionBombError:
        raise BadFile(_too_many_pixels()) from None
    except Exception as error:  # decoders of broken files raise whatever they trip over
        raise BadFile("This image is damaged and cannot be opened.") from error


def check_pixels(width: int, height: int) -> None:
    if width * height > settings.MEDIAGEN_MAX_PIXELS:
        raise BadFile(f"This image has {width} × {height} pixels. {_too_many_pixels()}")


def _too_many_pixels() -> str:
    return f"At most {settings.MEDIAGEN_MAX_PIXELS // 1_000_000} megapixels are allowed."


def orientation(image: Image.Image) -> int:
    """How the camera was held: 1 is upright, 2 to 8 are the turns and mirrorings of EXIF."""
    value = image.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


@contextlib.contextmanager
def open_av(path: Path, mime: str) -> Iterator[InputContainer]:
    """The container of a film or of sound. Its decoders' errors become BadFile."""
    try:
        with av.open(
            str(path.resolve()),
            format=_CONTAINERS[mime],
            options={"protocol_whitelist": "file", "max_pixels": str(MAX_SIDE * MAX_SIDE)},
            timeout=(20.0, 20.0),
            metadata_errors="replace",
        ) as container:
            yield container
    except BadFile:
        raise
    except Exception as error:  # as above
        raise BadFile("This file is damaged and cannot be played.") from error


def pictures(container: InputContainer) -> list[VideoStream]:
    """The video streams that are films: the cover of a song is not one."""
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def poster(path: Path, mime: str, *, at: float = 1.0, looks: int = 300) -> Image.Image:
    """The frame at `at` seconds, the last one before the end of a shorter film, upright."""
    with open_av(path, mime) as container:
        stream = pictures(container)[0]
        stream.codec_context.thread_count = 1
        found = None
        for count, frame in enumerate(container.decode(stream)):
            found = frame
            if (frame.time or 0) >= at or count >= looks:
                break
        if found is None:
            raise BadFile("This film has no pictures.")
        return found.to_image().rotate(found.rotation, expand=True)


def peaks(path: Path, mime: str, seconds: float) -> list[float]:
    """The waveform: the loudest value, 0 to 1, of each of 200 equal stretches."""
    stretch = max(1, int(seconds * _PEAK_RATE / PEAKS) + 1)
    found = [0] * PEAKS
    seen = 0
    with open_av(path, mime) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=_PEAK_RATE)
        for frame in container.decode(container.streams.audio[0]):
            for samples in _samples(resampler, frame):
                seen = _fold(samples, found, seen, stretch)
        for samples in _samples(resampler, None):
            seen = _fold(samples, found, seen, stretch)
    return [round(value / 32768, 3) for value in found]


def _samples(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[array[int]]:
    for part in resampler.resample(frame):
        yield array("h", bytes(part.planes[0])[: part.samples * 2])


def _fold(samples: array[int], found: list[int], seen: int, stretch: int) -> int:
    """Lay one piece of sound over the stretches it belongs to; returns how many samples were seen so far."""
    at = 0
    while at < len(samples):
        place = min((seen + at) // stretch, PEAKS - 1)
        until = at + stretch - (seen + at) % stretch
        piece = samples[at:until]
        found[place] = max(found[place], max(piece), -min(piece))
        at = until
    return seen + len(samples)


def thumbnail(path: Path, mime: str) -> Image.Image:
    """A small upright copy; a large JPEG is decoded small in the first place."""
    with open_image(path, mime) as image:
        image.draft("RGB", (2 * THUMBNAIL, 2 * THUMBNAIL))
        return small(ImageOps.exif_transpose(image))


def small(image: Image.Image) -> Image.Image:
    copy = image.convert("RGBA" if image.has_transparency_data else "RGB")
    copy.thumbnail((THUMBNAIL, THUMBNAIL))
    return copy


def webp(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=80, method=4)
    return file.getvalue()


def colour(image: Image.Image) -> str:
    """The colour most of the picture has, as #rrggbb: what a card shows before the picture is there."""
    tiny = image.convert("RGBA").resize((32, 32)).tobytes()
    opaque = [tiny[at : at + 3] for at in range(0, len(tiny), 4) if tiny[at + 3] > 127] or [bytes((128, 128, 128))]
    few = Image.frombytes("RGB", (len(opaque), 1), b"".join(opaque)).quantize(5)
    most = Counter(few.tobytes()).most_common(1)[0][0]
    return "#" + bytes((few.getpalette() or [])[3 * most : 3 * most + 3]).hex()
