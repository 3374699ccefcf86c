"""One operation's job as its workers see it: inputs in their roles, parameters with defaults, a place for the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from providers.errors import ProviderError
from providers.types import InputFile, Job, Output

MIMES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "gif": "image/gif",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "obj": "model/obj",
    "stl": "model/stl",
}


@dataclass(frozen=True, slots=True)
class Work:
    job: Job
    room: Path

    def files(self, *roles: str) -> list[InputFile]:
        """Inputs in these roles in order; a job whose roles are named otherwise gives what it has."""
        named = sorted((item for item in self.job.inputs if item.role in roles), key=lambda item: item.position)
        return [item for item in named or self.job.inputs if item.path]

    def file(self, *roles: str) -> InputFile:
        found = self.files(*roles)
        if not found:
            raise ProviderError("invalid_input", f"This needs a file as {roles[0]}. Add one.", charged=False)
        return found[0]

    def path(self, *roles: str) -> Path:
        return Path(str(self.file(*roles).path))

    @property
    def params(self) -> Mapping[str, Any]:
        return self.job.params

    def number(self, name: str, default: float) -> float:
        value = self.params.get(name)
        try:
            return default if value is None or value == "" else float(value)
        except (TypeError, ValueError) as error:
            raise ProviderError("invalid_input", f"{name} must be a number.", charged=False) from error

    def result(self, ending: str) -> Path:
        return self.room / f"output.{ending}"

    def output(self, kind: str, path: Path, **facts: Any) -> Output:
        ending = path.suffix[1:]
        stem = Path(self.job.inputs[0].name or "output").stem if self.job.inputs else "output"
        return Output(kind=kind, file=path, mime=MIMES.get(ending, ""), name=f"{stem}.{ending}", facts=facts)
