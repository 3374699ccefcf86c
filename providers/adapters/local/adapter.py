"""Local jobs: each operation is one function that reads the inputs and answers one finished file at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import av.error

from providers.adapter import BaseAdapter
from providers.errors import AuthorError, ProviderError
from providers.types import AccountFacts, Done, Job, Output, Problem, Snapshot

from . import films, pictures, solids
from .limits import LIMITS, unusable
from .work import Work

OPERATIONS: Mapping[str, Callable[[Work], Output]] = {
    "extract_frame": pictures.extract_frame,
    "concat_video": films.concat_video,
    "mux_audio": films.mux_audio,
    "transcode": films.transcode,
    "resize": films.resize,
    "trim": films.trim,
    "waveform": pictures.waveform,
    "convert_3d": solids.convert_3d,
}
LENGTHS = {"video": "max_seconds", "audio": "max_audio_seconds"}


class Adapter(BaseAdapter):
    def submit(self, job: Job) -> Done:
        operation = OPERATIONS.get(job.operation)
        if operation is None:
            raise ProviderError("unsupported", f"Local does not do {job.operation}. It does {', '.join(OPERATIONS)}.")
        if job.scratch is None:
            raise AuthorError("Local needs a scratch folder to make files in: give the job its `scratch`.")
        job.scratch.mkdir(parents=True, exist_ok=True)
        try:
            return Done(outputs=(operation(Work(job, job.scratch)),))
        except av.error.FFmpegError as error:
            raise unusable("The media cannot be worked on as it is. Transcode it to MP4 or WAV first.") from error

    def check(self, job: Job) -> Iterable[Problem]:
        """What the inputs' own facts already tell, before anything is read."""
        for item in job.inputs:
            most = LIMITS.get(LENGTHS.get(item.kind, ""))
            if most and item.seconds and item.seconds > most and job.operation not in ("trim", "extract_frame"):
                yield Problem(
                    field=item.role, message=f"{item.seconds:.0f} s is too long; at most {most} s. Trim it first."
                )
        if job.operation == "resize" and not (job.params.get("width") or job.params.get("height")):
            yield Problem(field="width", message="Give a width, a height or both, in pixels.")

    def find(self, job: Job) -> None:
        """A submit that was cut short left nothing behind: it may simply be done again."""
        return None

    def inspect(self, account: AccountFacts, secrets: Mapping[str, str], now: float) -> Snapshot:
        return Snapshot(ok=True, note="Works on this machine.", external_id="local", concurrency=2)
