"""What a verb ended with: where an adapter stood, what an exception said, which files its result claims."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..types import Done, Output, Status


def where(made: Any) -> str:
    """file:line of the innermost `yield` that waits."""
    while inspect.isgenerator(made.gi_yieldfrom):
        made = made.gi_yieldfrom
    frame = made.gi_frame
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame else made.__name__


def said(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" at {Path(frame.filename).name}:{frame.lineno}" for frame in last)
    return f"{type(error).__name__}: {error}{where}"


def unspilled(value: Any, spilled: Mapping[str, Path]) -> Any:
    if isinstance(value, Mapping):
        return {key: unspilled(below, spilled) for key, below in value.items()}
    if isinstance(value, (Done, Status)):
        return replace(value, outputs=tuple(unspilled(output, spilled) for output in value.outputs))
    if isinstance(value, Output) and value.b64 and value.b64 in spilled:
        return replace(value, b64=None, file=spilled[value.b64])
    return value


def files(value: Any) -> list[Path]:
    if isinstance(value, Mapping):
        return [path for below in value.values() for path in files(below)]
    return [output.file for output in getattr(value, "outputs", ()) if output.file]
