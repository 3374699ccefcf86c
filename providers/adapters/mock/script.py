"""Words: scripts in sections, a longer prompt from a short one, and transcripts that say they are none.

Texts are built from the prompt and chance; nothing here claims to understand either.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import av
import av.error

from providers.errors import ProviderError

from .wish import Wish, choice_of, first, number

FORMATS = {"md": "text/markdown", "txt": "text/plain", "json": "application/json", "srt": "application/x-subrip"}
PLACES = ("a quiet street", "the harbour wall", "an empty station", "a field under wires", "the top of the stairs")
LIGHTS = ("soft morning light", "late golden light", "blue dusk", "hard noon sun", "lamps in fog")
SHOTS = ("a wide shot", "a slow push in", "a close-up", "a view from above", "a hand-held follow")
LENSES = ("24 mm lens", "35 mm lens", "50 mm lens", "85 mm lens")
MOODS = ("calm and precise", "tender", "restless", "full of wonder", "dry and funny")
BEATS = ("Opening", "First sign", "Turn", "Answer", "Close", "After")


def make(wish: Wish, room: Path) -> tuple[Path, dict[str, Any]]:
    text, ending = text_for(wish)
    path = room / f"{wish.index}.{ending}"
    path.write_text(text, encoding="utf-8")
    return path, {"words": len(text.split()), "characters": len(text)}


def text_for(wish: Wish) -> tuple[str, str]:
    maker, usual = MAKERS.get(wish.operation, (_script, "md"))
    if wish.operation == "text_to_text" and wish.params.get("style") == "prompt":
        maker, usual = _prompt, "txt"
    chosen = choice_of(wish.params, FORMATS, usual)
    return maker(wish, chosen), chosen


def data(wish: Wish, room: Path) -> tuple[Path, dict[str, Any]]:
    """A JSON file for outputs that are plain data."""
    path = room / f"{wish.index}.json"
    path.write_text(_json({"mocked": True, "operation": wish.operation, "prompt": wish.prompt}), encoding="utf-8")
    return path, {}


def _script(wish: Wish, chosen: str) -> str:
    story = outline(wish)
    return _json(story) if chosen == "json" else _markdown(story)


def outline(wish: Wish) -> dict[str, Any]:
    """Title, logline, and sections with time, picture and narration."""
    dice, subject = wish.dice("script"), wish.prompt or "something unseen"
    count = int(min(6, max(2, number(first(wish.params, ("sections", "scenes"))) or 4)))
    long = number(first(wish.params, ("duration", "seconds"))) or count * 8
    sections = [_section(dice, subject, name, index, long / count) for index, name in enumerate(BEATS[:count])]
    return {
        "mocked": True,
        "title": " ".join(subject.split()[:8]).rstrip(".,;:!?").title(),
        "logline": f"In {dice.choice(PLACES)}, {subject} changes what one day can hold. The tone is {dice.choice(MOODS)}.",
        "seconds": long,
        "sections": sections,
    }


def _section(dice: Random, subject: str, name: str, index: int, long: float) -> dict[str, Any]:
    picture = f"{dice.choice(SHOTS)} of {subject}, {dice.choice(PLACES)}, {dice.choice(LIGHTS)}"
    return {
        "heading": name,
        "start": round(index * long, 1),
        "end": round((index + 1) * long, 1),
        "visual": picture[0].upper() + picture[1:] + ".",
        "narration": f"{name}: we look at {subject} and let it be {dice.choice(MOODS)}.",
    }


def _markdown(story: Mapping[str, Any]) -> str:
    parts = [f"# {story['title']}", f"*{story['logline']}*", "> Mock script: made by rule, not by a model."]
    for section in story["sections"]:
        parts.append(f"## {section['heading']} ({section['start']:g}–{section['end']:g} s)")
        parts.append(f"**Picture:** {section['visual']}\n\n**Narration:** {section['narration']}")
    return "\n\n".join(parts) + "\n"


def _prompt(wish: Wish, chosen: str) -> str:
    """The given prompt with a shot, a light, a lens and a mood added."""
    dice = wish.dice("prompt")
    subject = wish.prompt.rstrip(". ") or "A scene"
    better = f"{subject}, {dice.choice(SHOTS)}, {dice.choice(LIGHTS)}, {dice.choice(LENSES)}, {dice.choice(MOODS)}, fine detail"
    return _json({"mocked": True, "prompt": better}) if chosen == "json" else better + "\n"


def _transcript(wish: Wish, chosen: str) -> str:
    """Says what it is and how long the sound really was: no word of it was heard."""
    heard = wish.file("audio", "file", "video", kind="audio") or wish.file(kind="video")
    long = _seconds(heard) if heard else 0.0
    text = f"Mock transcript: {long:.2f} seconds of sound were measured, none of it was listened to."
    if chosen == "json":
        segment = {"start": 0.0, "end": round(long, 3), "text": text}
        return _json({"mocked": True, "text": text, "duration": round(long, 3), "segments": [segment]})
    if chosen == "srt":
        return f"1\n{_stamp(0)} --> {_stamp(long)}\n{text}\n"
    return text + "\n"


def _seconds(path: Path) -> float:
    try:
        with av.open(str(path)) as found:
            if not found.streams.audio:
                raise ProviderError(
                    "input_unusable", "The input holds no sound. Give a recording or a video with sound."
                )
            return _measured(found)
    except av.error.FFmpegError as error:
        raise ProviderError("input_unusable", "The input's sound cannot be opened. Give an MP3, WAV or MP4.") from error


def _measured(found: Any) -> float:
    stream = found.streams.audio[0]
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (found.duration or 0) / 1_000_000


def _stamp(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d},{whole % 1000:03d}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


MAKERS: dict[str, tuple[Callable[[Wish, str], str], str]] = {
    "text_to_text": (_script, "md"),
    "speech_to_text": (_transcript, "txt"),
}
