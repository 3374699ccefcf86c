"""Moving pictures and sound: joined, given a sound track, saved in another format, resized, cut.

Everything is decoded and encoded anew, so what comes out always plays; lengths and sizes are bounded first.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image

from providers.errors import ProviderError
from providers.types import Output

from . import limits, pictures, streams
from .streams import AUDIO, VIDEO, Shape
from .work import Work

MOST_CLIPS = 20
GIF_FPS, GIF_SIDE = 12, 640


def concat_video(work: Work) -> Output:
    """All clips at the first one's size and rate; a clip without sound is silent for its length."""
    paths = [Path(str(item.path)) for item in work.files("video")]
    if not 2 <= len(paths) <= MOST_CLIPS:
        raise ProviderError("invalid_input", f"Join 2 to {MOST_CLIPS} videos; there are {len(paths)}.", charged=False)
    shapes = [streams.shape(path) for path in paths]
    size, fps = streams.even(shapes[0].size), shapes[0].fps
    spans = [max(1, round(item.seconds * fps)) / fps for item in shapes]
    limits.bounded_video(seconds=sum(spans), size=size, fps=fps)
    clips = list(zip(paths, spans, strict=True))
    sound = b""
    if any(item.sounds for item in shapes):
        sound = b"".join(streams.fill(streams.samples(path, seconds=long), long) for path, long in clips)
    frames = chain.from_iterable(streams.pictures(path, size=size, fps=fps, seconds=long) for path, long in clips)
    return _written(work, frames, size=size, fps=fps, seconds=sum(spans), sound=sound, clips=len(clips))


def mux_audio(work: Work) -> Output:
    """The video with this sound instead of its own: cut at its end, looped or silent where the sound is shorter."""
    video, audio = work.path("video"), work.path("audio")
    with limits.media(audio) as found:
        limits.audio_of(found)
    given = streams.shape(video)
    sound = streams.fill(
        streams.samples(audio, seconds=given.seconds), given.seconds, loop=work.params.get("loop") in (True, "true")
    )
    return _again(work, video, given, sound=sound)


def trim(work: Work) -> Output:
    """From `start` for `duration` seconds, to the end when that is left out."""
    source = work.path("source", "video", "audio")
    with limits.media(source) as found:
        moving, long = _moves(found), limits.seconds_of(found)
    given = streams.shape(source) if moving else Shape((0, 0), 0, long, True)
    start = work.number("start", 0)
    span = min(work.number("duration", given.seconds), given.seconds - start)
    if start < 0 or span <= 0:
        raise ProviderError(
            "invalid_input", f"Nothing is left: the input is {given.seconds:.2f} s long.", charged=False
        )
    if moving:
        sound = streams.samples(source, start=start, seconds=span)
        return _again(work, source, given._replace(seconds=span), sound=sound, start=start)
    return _sounded(work, source, start=start, seconds=span)


def resize(work: Work) -> Output:
    if work.file("source", "video", "image").kind == "image":
        return pictures.resize(work)
    source = work.path("source", "video")
    given = streams.shape(source)
    size = streams.even(pictures.target_size(work, given.size))
    sound = streams.samples(source, seconds=given.seconds)
    return _again(work, source, given._replace(size=size), sound=sound, fit=str(work.params.get("fit") or "contain"))


def transcode(work: Work) -> Output:
    """By the asked format: a video, the sound alone, a moving GIF, or a still picture saved anew."""
    asked, source = str(work.params.get("format") or "mp4").lower(), work.file("source")
    path = Path(str(source.path))
    if asked in VIDEO:
        given = streams.shape(path)
        return _again(work, path, given, sound=streams.samples(path, seconds=given.seconds))
    if asked in AUDIO:
        return _sounded(work, path)
    if source.kind == "image":
        return pictures.convert(work)
    if asked == "gif":
        return _gif(work, path)
    raise ProviderError(
        "unsupported", f"A {source.kind} cannot be saved as {asked}. Ask for another format.", charged=False
    )


def _moves(found: Any) -> bool:
    """Has it moving pictures? A cover inside a sound file is none."""
    return any(not stream.disposition & 0x400 for stream in found.streams.video)


def _again(work: Work, path: Path, given: Shape, *, sound: bytes, start: float = 0.0, fit: str = "contain") -> Output:
    size, long = streams.even(given.size), max(1, round(given.seconds * given.fps)) / given.fps
    limits.bounded_video(seconds=long, size=size, fps=given.fps)
    frames = streams.pictures(path, size=size, fps=given.fps, seconds=long, start=start, fit=fit)
    track = streams.fill(sound, long) if sound else b""
    return _written(work, frames, size=size, fps=given.fps, seconds=long, sound=track)


def _written(
    work: Work, frames: Any, *, size: tuple[int, int], fps: int, seconds: float, sound: bytes, **more: Any
) -> Output:
    ending = str(work.params.get("format") or "mp4").lower()
    form = VIDEO.get(ending)
    if form is None:
        raise ProviderError(
            "unsupported", f"Videos cannot be saved as {ending}. Ask for {', '.join(VIDEO)}.", charged=False
        )
    path = work.result(ending)
    streams.write_video(path, frames, form=form, size=size, fps=fps, sound=sound)
    facts = {"width": size[0], "height": size[1], "fps": fps, "seconds": round(seconds, 3), "sound": bool(sound)}
    return work.output("video", path, **facts, **more)


def _sounded(work: Work, path: Path, *, start: float = 0.0, seconds: float | None = None) -> Output:
    with limits.media(path) as found:
        long = limits.seconds_of(found, limits.audio_of(found)) if seconds is None else seconds
    limits.bounded_audio(start + long)
    sound = streams.samples(path, start=start, seconds=long + (1 if seconds is None else 0))
    if not sound:
        raise limits.unusable("The input holds no sound in that part. Give a recording that plays.")
    asked = str(work.params.get("format") or "").lower()
    given = Path(work.file("source", "audio", "video").name or path.name).suffix[1:].lower()
    ending = asked if asked in AUDIO else given if given in AUDIO else "mp3"
    target = work.result(ending)
    streams.write_audio(target, sound, form=AUDIO[ending])
    return work.output(
        "audio", target, seconds=round(len(sound) / streams.BYTES / streams.RATE, 3), sample_rate=streams.RATE
    )


def _gif(work: Work, path: Path) -> Output:
    given, most = streams.shape(path), limits.LIMITS["max_gif_seconds"]
    if given.seconds > most:
        raise limits.unusable(f"A GIF may be {most} s long; the video is {given.seconds:.0f} s. Trim it first.")
    scale, fps = min(1.0, GIF_SIDE / max(given.size)), min(GIF_FPS, given.fps)
    size = streams.even((given.size[0] * scale, given.size[1] * scale))
    shots = streams.pictures(path, size=size, fps=fps, seconds=given.seconds)
    stills = [shot.to_image().quantize(128, Image.Quantize.FASTOCTREE) for shot in shots]
    if not stills:
        raise limits.unusable("The video holds no picture. Give a file that plays.")
    target = work.result("gif")
    stills[0].save(target, "GIF", save_all=True, append_images=stills[1:], duration=round(1000 / fps), loop=0)
    return work.output("image", target, width=size[0], height=size[1], frames=len(stills))
