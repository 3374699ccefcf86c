"""The facts of a file, found within bounds, and the proof that it opens: nothing damaged or oversized is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from av import VideoFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from generations import media, meshes, sniffing
from generations.sniffing import MAX_JSON, BadFile

MAX_SECONDS = 4 * 3600
MAX_STREAMS = 8
INLINE_TEXT = 64 * 1024
MAX_TEXT = 64 * 2**20
_PATIENCE = 120  # seconds of our own time for one file
_FIRST_FRAMES = 500
# The others guess from the first bit rate, or have a length of "endless" written by whoever streamed them.
_TELL_THE_TRUTH = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
_AS_SOUND = {
    "video/mp4": "audio/mp4",
    "video/quicktime": "audio/mp4",
    "video/3gpp": "audio/mp4",
    "video/webm": "audio/webm",
    "video/x-matroska": "audio/x-matroska",
}
_AS_FILM = {"audio/ogg": "video/ogg", "audio/mp4": "video/mp4"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    kind: str
    mime: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    text: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def look(path: Path, expected_kind: str = "") -> Facts:
    """Sniff, then probe; what is found inside must be of the expected kind too."""
    found = probe(path, *sniffing.check(path, expected_kind))
    if expected_kind in ("", found.kind):
        return found
    missing = (
        "There are no pictures in this file, only sound." if expected_kind == "video" else "This is a film, not audio."
    )
    raise BadFile(missing)


def probe(path: Path, kind: str, mime: str) -> Facts:
    return _PROBES[kind](path, Facts(kind=kind, mime=mime))


def _image(path: Path, known: Facts) -> Facts:
    with media.open_image(path, known.mime) as image:
        width, height = image.size if media.orientation(image) < 5 else image.size[::-1]
        facts = {"alpha": image.has_transparency_data, "animated": bool(getattr(image, "is_animated", False))}
        image.draft("RGB", (media.THUMBNAIL, media.THUMBNAIL))  # a JPEG need not be unfolded whole to be proven whole
        image.load()
    return replace(known, width=width, height=height, facts=facts)


def _played(path: Path, known: Facts) -> Facts:
    with media.open_av(path, known.mime) as container:
        if len(container.streams) > MAX_STREAMS:
            raise BadFile(f"This file has {len(container.streams)} streams; at most {MAX_STREAMS} are allowed.")
        films, sounds = media.pictures(container), list(container.streams.audio)
        if not films and not sounds:
            raise BadFile("There are neither pictures nor sound in this file.")
        facts = {**(_sound(sounds[0]) if sounds else {}), **(_film(films[0]) if films else {})}
        if films and sounds:
            facts["audio_codec"] = sounds[0].codec_context.name
        width, height = _first_frames(container, [*films[:1], *sounds[:1]])
    with media.open_av(path, known.mime) as container:  # opened again, because not everything can be wound back
        seconds = _seconds(container)
    kind, names = ("video", _AS_FILM) if films else ("audio", _AS_SOUND)
    mime = names.get(known.mime, known.mime)
    return replace(known, kind=kind, mime=mime, width=width, height=height, seconds=seconds, facts=facts)


def _film(stream: VideoStream) -> dict[str, Any]:
    codec = stream.codec_context
    if max(codec.width, codec.height) > media.MAX_SIDE:
        raise BadFile(f"This film is {codec.width} × {codec.height}; at most {media.MAX_SIDE} a side are allowed.")
    fps = round(float(stream.average_rate), 3) if stream.average_rate else None
    return {"fps": int(fps) if fps and fps == int(fps) else fps, "codec": codec.name}


def _sound(stream: AudioStream) -> dict[str, Any]:
    codec = stream.codec_context
    return {"codec": codec.name, "sample_rate": codec.sample_rate, "channels": codec.channels}


def _seconds(container: InputContainer) -> float:
    """How long it plays. Where the head of the file tells, that must be held: a file that was cut off tells more."""
    told = (container.duration or 0) / 1_000_000 if container.format.name in _TELL_THE_TRUTH else 0.0
    _bound(told)
    held = _last_moment(container)
    _bound(held)
    if held < told * 0.8 - 1 or held <= 0:
        raise BadFile(f"This file is cut off: it holds {held:.1f} of {told:.1f} seconds.")
    return round(told or held, 3)


def _last_moment(container: InputContainer) -> float:
    until = time.monotonic() + _PATIENCE
    first, last = None, 0.0
    for packet in container.demux([*media.pictures(container), *container.streams.audio]):
        if packet.pts is not None and packet.time_base is not None:
            begins = float(packet.pts * packet.time_base)
            first = begins if first is None else min(first, begins)
            last = max(last, begins + float((packet.duration or 0) * packet.time_base))
        if time.monotonic() > until:
            raise BadFile("This file takes too long to read.")
    return last - (first or 0.0)


def _bound(seconds: float) -> None:
    if seconds > MAX_SECONDS:
        raise BadFile(f"This file plays for {seconds / 3600:.1f} hours; at most {MAX_SECONDS // 3600} are allowed.")


def _first_frames(container: InputContainer, streams: list[VideoStream | AudioStream]) -> tuple[int | None, int | None]:
    """Decode until each stream has shown a frame, the first one at least; the size a person sees of the picture."""
    for stream in streams:
        stream.codec_context.thread_count = 1
    films: list[VideoFrame] = []
    sounds: list[Any] = []
    for frame in islice(container.decode(streams), _FIRST_FRAMES):
        if isinstance(frame, VideoFrame):
            films.append(frame)
        else:
            sounds.append(frame)
        if bool(films) + bool(sounds) == len(streams):
            break
    if not (films if streams[0].type == "video" else sounds):
        raise BadFile("Nothing in this file can be played.")
    if not films:
        return None, None
    width, height = films[0].width, films[0].height
    return (height, width) if films[0].rotation % 180 else (width, height)


def _model3d(path: Path, known: Facts) -> Facts:
    return replace(known, facts=meshes.facts(path, known.mime))


def _text(path: Path, known: Facts) -> Facts:
    if path.stat().st_size > MAX_TEXT:
        raise BadFile(f"This text is too long; at most {MAX_TEXT // 2**20} MB are allowed.")
    data = path.read_bytes()
    text = data.decode("utf-8-sig")
    facts = {"words": len(text.split()), "characters": len(text)}
    if len(data) <= INLINE_TEXT:
        return replace(known, text=text, facts=facts)
    return replace(known, text=data[:INLINE_TEXT].decode("utf-8-sig", "ignore"), facts={**facts, "cut": True})


def _data(path: Path, known: Facts) -> Facts:
    """JSON was read whole when it was sniffed; a drawing in SVG is kept as data and never drawn by us."""
    if known.mime != "application/json" or path.stat().st_size > MAX_JSON:
        return known
    found = json.loads(path.read_bytes())
    return replace(known, facts={"entries": len(found) if isinstance(found, list | dict) else 1})


_PROBES: dict[str, Callable[[Path, Facts], Facts]] = {
    "image": _image,
    "video": _played,
    "audio": _played,
    "model3d": _model3d,
    "text": _text,
    "data": _data,
}
