"""Films: a drifting picture with the prompt on it, or real work on the first frame or the video that was given.

Each maker answers a Film: how large, how many pictures, the pictures one by one, and the sound under them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw

from . import art, image, sound
from .planes import Planes, Size, Sprite, facts, planes, read, sprite, sprites, write
from .wish import Wish, even, first, number, seconds_of, video_size

LONGEST = 120.0  # seconds; the catalogue's own models allow less
WIDER = 1.16  # how much larger than the picture its drawn scenery is
PUSH = 0.14  # how much of the picture a slow zoom eats by the end


class Film(NamedTuple):
    size: Size
    fps: int
    length: int  # in pictures
    frames: Iterator[Planes]
    sound: bytes


def make(wish: Wish, room: Path) -> tuple[Path, dict[str, Any]]:
    film = MAKERS.get(wish.operation, _filmed)(wish)
    path = room / f"{wish.index}.mp4"
    write(path, film.frames, size=film.size, fps=film.fps, sound=film.sound)
    return path, known(film)


def known(film: Film) -> dict[str, Any]:
    return {"width": film.size[0], "height": film.size[1], "fps": film.fps, "seconds": round(film.length / film.fps, 3)}


def _fps(wish: Wish) -> int:
    return int(min(60, max(1, number(first(wish.params, ("fps", "frame_rate", "frames_per_second"))) or 24)))


def seconds(wish: Wish) -> float:
    return seconds_of(wish.params, default=4.0, most=LONGEST)


def _music(wish: Wish, long: float) -> bytes:
    silent = any(wish.params.get(name) is False for name in ("audio", "generate_audio", "sound", "with_audio"))
    return b"" if silent else sound.music(seconds=long, dice=wish.dice("music"))


def _film(
    wish: Wish, size: Size, long: float, frames: Callable[[int, int], Iterator[Planes]], track: bytes | None
) -> Film:
    fps = _fps(wish)
    count = max(1, round(long * fps))
    under = _music(wish, count / fps) if track is None else track
    return Film(size, fps, count, frames(count, fps), under)


# -- from words ---------------------------------------------------------------------------------------------------------
def _filmed(wish: Wish) -> Film:
    size = video_size(wish.params)
    wide = even((round(size[0] * WIDER), round(size[1] * WIDER)))
    scene = planes(art.compose(size=wide, dice=wish.dice("art")))
    fixed = sprites(art.overlay(size=size, text=wish.prompt))
    return _film(wish, size, seconds(wish), lambda count, fps: _drift(scene, size, count, fixed, wish), None)


def _drift(scene: Planes, size: Size, count: int, fixed: list[Sprite], wish: Wish) -> Iterator[Planes]:
    """The scenery passes by behind the panel while two balls float over it and a bar fills below."""
    room = scene.size[0] - size[0], scene.size[1] - size[1]
    balls = [_ball(size, colour) for colour in art.palette(wish.dice("art"))[2:4]]
    turn = wish.dice("drift").random()
    for index in range(count):
        way = index / max(1, count - 1)
        shot = scene.crop(_step(room[0] * way), _step(room[1] * (0.5 - 0.5 * math.cos(math.pi * way))), size)
        for place, ball in enumerate(balls):
            angle = 2 * math.pi * (way * (place + 1) + turn + place / 3)
            x, y = size[0] * (0.5 + 0.38 * math.sin(angle)), size[1] * (0.34 + 0.2 * math.cos(angle * 2))
            ball.paste(shot, round(x - ball.alpha.width / 2), round(y - ball.alpha.height / 2))
        yield _dressed(shot, fixed, way)


def _step(place: float) -> int:
    return int(place) // 2 * 2


def _ball(size: Size, colour: tuple[int, int, int]) -> Sprite:
    across = max(8, min(size) // 7 // 2 * 2)
    sheet = Image.new("RGBA", (across * 2, across * 2))
    ImageDraw.Draw(sheet).ellipse((4, 4, across * 2 - 5, across * 2 - 5), fill=(*colour, 225))
    small = sheet.resize((across, across), Image.Resampling.LANCZOS)
    return sprite(small, (0, 0, across, across))


def _dressed(shot: Planes, fixed: list[Sprite], way: float) -> Planes:
    for part in fixed:
        part.paste(shot)
    wide, high = shot.size
    bar = max(2, high // 180) * 2
    shot.y.paste(225, (0, high - bar, round(wide * way), high))
    return shot


# -- from pictures ------------------------------------------------------------------------------------------------------
def _animated(wish: Wish) -> Film:
    """A slow push into the first frame, which is shown whole at first; it dissolves into the last frame if there is one."""
    source = image.opened(wish.file("first_frame", "image", "reference", kind="image"))
    if source is None:
        return _filmed(wish)
    size = video_size(wish.params, default=_bounded(source.size))
    start = planes(art.cover(source.convert("RGB"), size))
    last = image.opened(wish.only("last_frame", "end_image", "tail_image"))
    end = planes(art.cover(last.convert("RGB"), size)) if last else None
    return _film(wish, size, seconds(wish), lambda count, fps: _pushed(start, end, count, _mark(size)), None)


def _bounded(size: Size) -> Size:
    """Near the picture's own shape, at most as many pixels as 1280 x 1280."""
    scale = min(1.0, 1280 / max(size))
    return even((round(size[0] * scale), round(size[1] * scale)))


def _mark(size: Size) -> list[Sprite]:
    return sprites(art.overlay(size=size, text=""))


def _pushed(start: Planes, end: Planes | None, count: int, fixed: list[Sprite]) -> Iterator[Planes]:
    wide, high = start.size
    for index in range(count):
        way = index / max(1, count - 1)
        eaten = PUSH * way
        box = (wide * eaten * 0.6, high * eaten * 0.45, wide * (1 - eaten * 0.4), high * (1 - eaten * 0.55))
        shot = start.zoom(box, start.size) if index else start.copy()
        melt = max(0.0, (way - 0.6) / 0.4) if end else 0.0
        shot = shot.blend(end, melt) if end and melt else shot
        yield _worn(shot, fixed)


def _worn(shot: Planes, fixed: list[Sprite]) -> Planes:
    for part in fixed:
        part.paste(shot)
    return shot


# -- from videos --------------------------------------------------------------------------------------------------------
def _source(wish: Wish) -> Path | None:
    return wish.file("video", "source", "first_clip", kind="video")


def _restyled(wish: Wish) -> Film:
    """The input's own pictures in the colours of the prompt, as strongly as asked; its sound is kept."""
    path = _source(wish)
    if path is None:
        return _filmed(wish)
    given = facts(path)
    size = video_size(wish.params, default=_bounded(given.size))
    long = min(seconds_of(wish.params, default=given.seconds or 4.0, most=LONGEST), given.seconds or LONGEST)
    asked = number(first(wish.params, ("strength", "denoising_strength")))
    share = min(1.0, max(0.0, 0.5 if asked is None else asked)) * 0.7
    tint = planes(art.compose(size=size, dice=wish.dice("art")))
    mark = _mark(size)

    def frames(count: int, fps: int) -> Iterator[Planes]:
        return (_worn(shot.blend(tint, share), mark) for shot in read(path, size=size, fps=fps, most=count))

    return _film(wish, size, long, frames, sound.read(path, most=long))


def _extended(wish: Wish) -> Film:
    """The whole input, then a push into its last picture for the asked seconds more."""
    path = _source(wish)
    if path is None:
        return _filmed(wish)
    given, more, fps = facts(path), seconds(wish), _fps(wish)
    size, before = even(given.size), max(1, round(min(given.seconds, LONGEST) * fps))
    kept = sound.read(path, most=before / fps)
    silence = bytes(max(0, round(before / fps * sound.MUSIC_RATE) * 2 - len(kept)))
    track = (kept + silence + _music(wish, more)) if kept else b""
    return _film(wish, size, before / fps + more, lambda count, fps: _continued(path, size, before, count, fps), track)


def _continued(path: Path, size: Size, before: int, count: int, fps: int) -> Iterator[Planes]:
    last, shown = None, 0
    for shot in read(path, size=size, fps=fps, most=before):
        last, shown = shot, shown + 1
        yield shot
    if last is not None:
        yield from _pushed(last.copy(), None, count - shown, _mark(size))


def _upscaled(wish: Wish) -> Film:
    path = _source(wish)
    if path is None:
        return _filmed(wish)
    given = facts(path)
    factor = min(number(first(wish.params, ("scale", "factor", "upscale_factor"))) or 2, 4, 3840 / max(given.size))
    size = even((round(given.size[0] * factor), round(given.size[1] * factor)))
    long = min(given.seconds or 4.0, LONGEST)
    track = sound.read(path, most=long)
    return _film(wish, size, long, lambda count, fps: read(path, size=size, fps=fps, most=count), track)


def _spoken(wish: Wish) -> Film:
    """As long as the sound: the given face, moving pictures looped, with a mouth that opens as loud as the voice."""
    voice = wish.file("audio", "voice", "speech", kind="audio")
    track = sound.read(voice, most=LONGEST) if voice else _music(wish, seconds(wish))
    path = _source(wish)
    face = None if path else image.opened(wish.file("image", "video", "first_frame", "face", kind="image"))
    if path is None and face is None:
        return _filmed(wish)
    size = video_size(wish.params, default=_bounded(facts(path).size if path else face.size if face else (1280, 720)))
    still = planes(art.cover(face.convert("RGB"), size)) if face else None
    long = max(0.5, len(track) / 2 / sound.MUSIC_RATE)

    def frames(count: int, fps: int) -> Iterator[Planes]:
        shots = (still.copy() for _ in range(count)) if still else _looped(path, size, count, fps)
        loud = sound.loudness(track, per_second=fps, rate=sound.MUSIC_RATE)
        return (_mouthed(shot, level) for shot, level in zip(shots, chain(loud, [0.0] * count), strict=False))

    return _film(wish, size, long, frames, track)


def _looped(path: Path | None, size: Size, count: int, fps: int) -> Iterator[Planes]:
    shown = 0
    while path and shown < count:
        for shot in read(path, size=size, fps=fps, most=count - shown):
            shown += 1
            yield shot.copy()


def _mouthed(shot: Planes, level: float) -> Planes:
    wide, high = shot.size
    reach, drop = wide // 16, round(high / 30 * (0.25 + level))
    box = (wide // 2 - reach, high * 2 // 3 - drop, wide // 2 + reach, high * 2 // 3 + drop)
    ImageDraw.Draw(shot.y).ellipse(box, fill=38, outline=150, width=max(1, high // 240))
    return shot


MAKERS: dict[str, Callable[[Wish], Film]] = {
    "image_to_video": _animated,
    "video_to_video": _restyled,
    "extend_video": _extended,
    "upscale_video": _upscaled,
    "lip_sync": _spoken,
}
