"""Which maker makes what: by the kind of each output asked, then by operation inside the maker.

Everything the job asks comes out, whatever provider's capability the mock stands in for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from providers.types import Handle, InputFile, Job

from . import audio, image, mesh, script, video
from .wish import FORMATS, Wish, count_of, first

Maker = Callable[[Wish, Path], tuple[Path, dict[str, Any]]]
MAKERS: Mapping[str, Maker] = {
    "image": image.make,
    "video": video.make,
    "audio": audio.make,
    "text": script.make,
    "model3d": mesh.make,
    "data": script.data,
}
MIMES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "mp4": "video/mp4",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "glb": "model/gltf-binary",
    **script.FORMATS,
}
ENDS = {
    "image": "image",
    "video": "video",
    "speech": "audio",
    "music": "audio",
    "sound": "audio",
    "text": "text",
    "3d": "model3d",
}
# Verbs that list several kinds and make one of them: the asked format decides, else the input's own kind.
ONE_OF = ("transcode", "resize", "trim")
KIND_OF_FORMAT = {
    **dict.fromkeys(("mp4", "webm", "mov"), "video"),
    **dict.fromkeys(audio.FORMATS, "audio"),
    **dict.fromkeys((*image.FORMATS, "gif", "avif"), "image"),
}
MOST = 8


def kinds_of(job: Job, *, least: int = 1) -> tuple[str, ...]:
    """What comes out, in order: the job's kinds, or what the operation's name ends in, as many times as asked."""
    kinds = tuple(kind for kind in job.outputs if kind in MAKERS) or (
        ENDS.get(job.operation.rsplit("_", 1)[-1], "data"),
    )
    if job.operation in ONE_OF and len(kinds) > 1:
        kinds = (_chosen(job.params, job.inputs, kinds),)
    return (kinds * max(count_of(job.params), least))[: max(MOST, len(kinds))]


def _chosen(params: Mapping[str, Any], inputs: Sequence[InputFile], kinds: tuple[str, ...]) -> str:
    asked = KIND_OF_FORMAT.get(str(first(params, FORMATS) or "").lower().replace("jpg", "jpeg"))
    given = next((item.kind for item in inputs), None)
    return next((kind for kind in (asked, given) if kind in kinds), kinds[0])


def wish_for(work: Job | Handle, kind: str, index: int) -> Wish:
    style = {"style": "prompt"} if work.model == "prompt" else {}
    return Wish(operation=work.operation, params={**work.params, **style}, kind=kind, index=index, inputs=work.inputs)


def produce(wish: Wish, room: Path) -> tuple[Path, dict[str, Any]]:
    """The finished file and what is known of it; every fact sheet says it is mocked."""
    path, known = MAKERS[wish.kind](wish, room)
    return path, {"mocked": True, **known}


def mime_of(path: Path) -> str:
    return MIMES.get(path.suffix[1:], "application/octet-stream")
