"""Sound without samples or numpy: chords, murmured speech and noise as 16-bit mono bytes, and reading sound from files.

Short loops are computed once and repeated as bytes, so minutes of music cost what seconds do.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import av
import av.error
from av.audio.resampler import AudioResampler

from providers.errors import ProviderError

CHARACTERS_PER_SECOND = 14
SPEECH_RATE = 24_000
MUSIC_RATE = 44_100
PROGRESSIONS = ((0, 5, 3, 4), (0, 3, 4, 3), (0, 4, 5, 3), (5, 3, 0, 4))
MODES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
# First, second and third formant of five vowels in Hz
VOWELS = {
    "a": (750, 1200, 2500),
    "e": (500, 1850, 2500),
    "i": (310, 2150, 2900),
    "o": (480, 900, 2450),
    "u": (330, 800, 2300),
}


def music(*, seconds: float, dice: random.Random) -> bytes:
    """Four chords with a plucked figure over them, looped to the asked length and faded at both ends."""
    mode = dice.randrange(2)
    root, figure = dice.uniform(110, 165), [dice.randrange(7) for _ in range(8)]
    chords = [_bar(root, mode, step, figure) for step in dice.choice(PROGRESSIONS)]
    wanted = round(seconds * MUSIC_RATE)
    loop = array("h")
    for _ in range(2):
        for chord in chords:
            if len(loop) < wanted:
                loop.extend(chord)
    times = -(-wanted // len(loop))
    return _faded((loop * times)[:wanted], MUSIC_RATE // 20).tobytes()


def _bar(root: float, mode: int, step: int, figure: Sequence[int]) -> array[int]:
    """Two seconds: a held triad, and four plucked notes of its scale."""
    half = MUSIC_RATE // 2
    pad = _pad(tuple(_note(root, mode, step + third) for third in (0, 2, 4)), half)
    bar = array("h")
    for beat in range(4):
        pluck = _pluck(_note(root * 2, mode, step + figure[beat % len(figure)]), half)
        bar.extend(array("h", [a + b for a, b in zip(pad, pluck, strict=True)]))
    return _faded(bar, MUSIC_RATE // 100)


def _note(root: float, mode: int, step: int) -> float:
    scale = MODES[mode]
    return root * 2 ** ((scale[step % 7] + 12 * (step // 7)) / 12)


@lru_cache(maxsize=64)
def _pad(notes: tuple[float, ...], length: int) -> array[int]:
    """Notes tuned to a whole number of waves in the length, so that repeats join without a click."""
    turn = 2 * math.pi / length
    steps = [round(note * length / MUSIC_RATE) * turn for note in notes]
    sine = math.sin
    return array("h", [int(sum(2600 * sine(step * at) for step in steps)) for at in range(length)])


@lru_cache(maxsize=64)
def _pluck(note: float, length: int) -> array[int]:
    step, sine = 2 * math.pi * note / MUSIC_RATE, math.sin
    fall = math.exp(-6 / length)
    level, made = 6500.0, []
    for at in range(length):
        made.append(int(level * min(1.0, at / 200) * sine(step * at)))
        level *= fall
    return array("h", made)


def speech(*, text: str, dice: random.Random, speed: float = 1.0) -> bytes:
    """A murmur in the rhythm of the text: vowels hum in their formants, consonants hiss, spaces rest."""
    voice = dice.uniform(95, 210)
    slot = round(SPEECH_RATE / CHARACTERS_PER_SECOND / speed)
    made, at = array("h"), 0
    for letter in text.lower() or " ":
        made.extend(_slot(_sort(letter), slot, at, voice))
        at += slot
    return made.tobytes()


def _sort(letter: str) -> str:
    """Which of the few sounds stands for this letter: a vowel, "s" for hiss, "m" for hum, " " for rest."""
    if letter in VOWELS:
        return letter
    if not letter.isalnum():
        return " "
    return "s" if letter in "sfzxckpthq" else "m" if letter in "bdgjlmnrvwy" else "aeiou"[ord(letter) % 5]


def _slot(kind: str, length: int, at: int, voice: float) -> array[int]:
    if kind == " ":
        return array("h", bytes(length * 2))
    wave = _hiss(length) if kind == "s" else _voiced(kind, round(SPEECH_RATE / voice))
    start = at % len(wave)
    turned = (wave * (-(-length // len(wave)) + 1))[start : start + length]
    return array("h", [int(a * b) for a, b in zip(turned, _swell(length), strict=True)])


@lru_cache(maxsize=64)
def _voiced(kind: str, period: int) -> array[int]:
    """One wave of the voice: its overtones, each as loud as it is near a formant."""
    formants = VOWELS.get(kind, (250, 900, 2200))
    base = SPEECH_RATE / period
    tones = [(k, sum(1 / (1 + ((k * base - f) / 110) ** 2) for f in formants) / k**0.4) for k in range(1, 28)]
    turn = 2 * math.pi / period
    wave = [sum(loud * math.sin(turn * k * at) for k, loud in tones) for at in range(period)]
    peak = max(abs(value) for value in wave)
    return array("h", [int((4500 if kind == "m" else 9500) * value / peak) for value in wave])


@lru_cache(maxsize=8)
def _hiss(length: int) -> array[int]:
    chance = random.Random(14)
    return array("h", [int(chance.gauss(0, 900)) for _ in range(max(length, 64))])


@lru_cache(maxsize=8)
def _swell(length: int) -> list[float]:
    edge = max(1, length // 5)
    return [min(1.0, 0.25 + 0.75 * min(at, length - 1 - at) / edge) for at in range(length)]


def noise(*, seconds: float, dice: random.Random) -> bytes:
    """Bursts of filtered noise dying away: a wave, a door, a storm."""
    wanted, smooth = round(seconds * MUSIC_RATE), dice.uniform(0.03, 0.4)
    burst = round(min(seconds, dice.uniform(0.7, 1.8)) * MUSIC_RATE)
    fall, level, held, made = math.exp(-5 / burst), 21_000.0, 0.0, []
    for at in range(burst):
        held += smooth * (dice.uniform(-1, 1) - held)
        made.append(int(level * min(1.0, at / 300) * held))
        level *= fall
    return (array("h", made) * (-(-wanted // burst)))[:wanted].tobytes()


def _faded(samples: array[int], edge: int) -> array[int]:
    edge = min(edge, len(samples) // 2)
    for at in range(edge):
        samples[at] = samples[at] * at // edge
        samples[-1 - at] = samples[-1 - at] * at // edge
    return samples


def loudness(samples: bytes, *, per_second: int, rate: int) -> list[float]:
    """How loud each moment is, 0..1."""
    track, step = array("h", samples), rate // per_second
    return [min(1.0, max(map(abs, track[at : at + step])) / 20_000) for at in range(0, len(track), step)]


def read(path: Path, *, most: float, rate: int = MUSIC_RATE) -> bytes:
    """The first sound track of a file as 16-bit mono, at most so many seconds; empty when there is none."""
    try:
        with av.open(str(path)) as found:
            if not found.streams.audio:
                return b""
            resampler, made, wanted = (
                AudioResampler(format="s16", layout="mono", rate=rate),
                bytearray(),
                round(most * rate),
            )
            for frame in found.decode(audio=0):
                for part in resampler.resample(frame):
                    made += bytes(part.planes[0])[: part.samples * 2]
                if len(made) >= wanted * 2:
                    break
            return bytes(made[: wanted * 2])
    except av.error.FFmpegError as error:
        raise ProviderError(
            "input_unusable", "The input's sound cannot be decoded. Give an MP3, WAV or MP4."
        ) from error
