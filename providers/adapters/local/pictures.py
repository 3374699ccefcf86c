"""Still pictures: taken out of a video, resized, saved in another format, or drawn from a sound's loudness."""

from __future__ import annotations

from array import array
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor, ImageDraw

from providers.errors import ProviderError
from providers.types import Output

from . import limits, streams
from .work import Work

FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF", "gif": "GIF"}
OPAQUE = ("jpeg",)


def save(picture: Image.Image, path: Path) -> dict[str, Any]:
    """Saved by the path's ending; what is see-through turns white where the format has no such thing."""
    ending = path.suffix[1:]
    if ending in OPAQUE and picture.mode == "RGBA":
        sheet = Image.new("RGB", picture.size, (255, 255, 255))
        sheet.paste(picture, (0, 0), picture)
        picture = sheet
    rest: dict[str, Any] = {} if ending in ("png", "gif") else {"quality": 90}
    picture.save(path, FORMATS[ending], **rest)
    return {"width": picture.width, "height": picture.height}


def wanted(work: Work, default: str = "png") -> str:
    asked = str(work.params.get("format") or default).lower().replace("jpg", "jpeg")
    if asked not in FORMATS:
        raise ProviderError(
            "unsupported", f"Pictures cannot be saved as {asked}. Ask for {', '.join(FORMATS)}.", charged=False
        )
    return asked


def extract_frame(work: Work) -> Output:
    """The picture shown at a moment, or the very last one."""
    at, path = work.params.get("at", 0), work.path("video")
    found, moment = _last(path) if at == "last" else _at(path, work.number("at", 0))
    target = work.result(wanted(work))
    return work.output("image", target, at=round(moment, 3), **save(found.to_image(), target))


def _at(path: Path, moment: float) -> tuple[Any, float]:
    long = streams.shape(path).seconds
    if moment > long + 0.05:
        raise ProviderError("invalid_input", f"at is {moment:g} s, but the video ends at {long:.2f} s.", charged=False)
    held: tuple[Any, float] | None = None
    for when, frame in streams.decoded(path, start=moment):
        if held is not None and when > moment + 0.001:
            break
        held = frame, when
    return _found(held)


def _last(path: Path) -> tuple[Any, float]:
    """Decoded from just before the end; from the start when the file does not seek."""
    long = streams.shape(path).seconds
    held: tuple[Any, float] | None = None
    for start in (max(0.0, long - 2), 0.0):
        for when, frame in streams.decoded(path, start=start):
            held = frame, when
        if held is not None:
            break
    return _found(held)


def _found(held: tuple[Any, float] | None) -> tuple[Any, float]:
    if held is None:
        raise limits.unusable("The video holds no picture. Give a file that plays.")
    return held


def resize(work: Work) -> Output:
    source = limits.picture(work.path("source", "image"))
    size = target_size(work, source.size)
    limits.bounded_image(size)
    given = Path(work.file("source", "image").name).suffix[1:].lower()
    path = work.result(wanted(work, given if given in (*FORMATS, "jpg") else "png"))
    resized = streams.fit_picture(source, size, str(work.params.get("fit") or "contain"))
    return work.output("image", path, **save(resized, path))


def target_size(work: Work, given: tuple[int, int]) -> tuple[int, int]:
    """Width and height as asked; one of them alone keeps the shape."""
    wide, high = round(work.number("width", 0)), round(work.number("height", 0))
    if wide < 0 or high < 0 or not (wide or high):
        raise ProviderError("invalid_input", "Give a width, a height or both, in pixels.", charged=False)
    return wide or max(1, round(given[0] * high / given[1])), high or max(1, round(given[1] * wide / given[0]))


def convert(work: Work) -> Output:
    source = limits.picture(work.path("source"))
    path = work.result(wanted(work))
    return work.output("image", path, **save(source, path))


def waveform(work: Work) -> Output:
    """The loudest moment under each column, drawn on both sides of the middle."""
    width, height = round(work.number("width", 1200)), round(work.number("height", 240))
    path, source = work.result("png"), work.path("audio")
    with limits.media(source) as found:
        limits.bounded_audio(limits.seconds_of(found, limits.audio_of(found)))
    track = array("h", streams.samples(source, seconds=limits.LIMITS["max_audio_seconds"]))
    sheet = Image.new("RGBA", (width, height))
    draw, colour = ImageDraw.Draw(sheet), _colour(work)
    for x, peak in enumerate(_peaks(track, width)):
        reach = max(1, round(peak * (height / 2 - 1)))
        draw.line((x, height // 2 - reach, x, height // 2 + reach), fill=colour)
    return work.output("image", path, seconds=round(len(track) / 2 / streams.RATE, 3), **save(sheet, path))


def _peaks(track: array[int], columns: int) -> list[float]:
    edges = [len(track) * column // columns for column in range(columns + 1)]
    slices = (track[start : max(end, start + 1)] for start, end in pairwise(edges))
    return [max(max(part), -min(part)) / 32768 if part else 0.0 for part in slices]


def _colour(work: Work) -> tuple[int, ...]:
    try:
        return ImageColor.getrgb(str(work.params.get("color") or "#4f46e5"))
    except ValueError as error:
        raise ProviderError("invalid_input", "color must be written like #4f46e5.", charged=False) from error
