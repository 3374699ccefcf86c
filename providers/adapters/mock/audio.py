"""Sound files: murmured speech, music and noises in the asked format, the mark in their comment.

`encode` is the one writer; its bit-exact flags make the same samples the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.audio.frame import AudioFrame
from av.codec.context import Flags

from . import sound
from .image import MARK
from .wish import Wish, choice_of, first, number, seconds_of

LONGEST = 600.0
MOST_TEXT = 8000  # characters that are murmured
CHUNK = 48_000


class Format(NamedTuple):
    container: str
    codec: str
    rate: int | None = None  # samples per second where the codec takes only some


FORMATS = {
    "wav": Format("wav", "pcm_s16le"),
    "mp3": Format("mp3", "libmp3lame"),
    "flac": Format("flac", "flac"),
    "opus": Format("ogg", "libopus", 24_000),
    "aac": Format("mp4", "aac"),
    "m4a": Format("mp4", "aac"),
}
ENDINGS = {"opus": "ogg", "aac": "m4a"}
SECONDS = {"text_to_music": 12.0, "text_to_sound": 3.0}


def make(wish: Wish, room: Path) -> tuple[Path, dict[str, Any]]:
    samples, rate = MAKERS.get(wish.operation, _music)(wish)
    usual = "wav" if wish.operation == "text_to_speech" else "mp3"
    chosen = choice_of(wish.params, FORMATS, usual)
    path = room / f"{wish.index}.{ENDINGS.get(chosen, chosen)}"
    encode(path, samples, rate=rate, form=FORMATS[chosen])
    return path, {
        "seconds": round(len(samples) / 2 / rate, 3),
        "sample_rate": FORMATS[chosen].rate or rate,
        "channels": 1,
    }


def encode(path: Path, samples: bytes, *, rate: int, form: Format) -> None:
    with av.open(str(path), "w", format=form.container, options={"fflags": "+bitexact"}) as out:
        out.metadata["comment"] = MARK
        stream: Any = out.add_stream(form.codec, rate=form.rate or rate, layout="mono")
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= Flags.bitexact
        for start in range(0, len(samples), CHUNK * 2):
            out.mux(stream.encode(_frame(samples[start : start + CHUNK * 2], rate=rate, at=start // 2)))
        out.mux(stream.encode(None))


def _frame(samples: bytes, *, rate: int, at: int) -> AudioFrame:
    frame = AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
    frame.planes[0].update(samples)
    frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
    return frame


def _speech(wish: Wish) -> tuple[bytes, int]:
    speed = min(4.0, max(0.25, number(first(wish.params, ("speed", "speaking_rate"))) or 1.0))
    voice = str(wish.params.get("voice") or "")
    samples = sound.speech(text=wish.prompt[:MOST_TEXT], dice=wish.dice("voice" + voice), speed=speed)
    return samples, sound.SPEECH_RATE


def _music(wish: Wish) -> tuple[bytes, int]:
    return sound.music(seconds=_seconds(wish), dice=wish.dice("music")), sound.MUSIC_RATE


def _noise(wish: Wish) -> tuple[bytes, int]:
    return sound.noise(seconds=_seconds(wish), dice=wish.dice("noise")), sound.MUSIC_RATE


def _seconds(wish: Wish) -> float:
    return seconds_of(wish.params, default=SECONDS.get(wish.operation, 5.0), most=LONGEST)


MAKERS: dict[str, Callable[[Wish], tuple[bytes, int]]] = {
    "text_to_speech": _speech,
    "text_to_music": _music,
    "text_to_sound": _noise,
}
