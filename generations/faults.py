"""Named points where a test may make this process kill itself. Inert unless MEDIAGEN_KILL_AT names the point.

It fires once per data directory, so that the restarted process can be watched recovering.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from django.conf import settings

POINTS = (
    "before_hold",
    "after_hold",
    "before_send",
    "after_send",
    "after_answer",
    "while_fetching",
    "while_storing",
)
_WANTED = os.environ.get("MEDIAGEN_KILL_AT", "")


def at(point: str) -> None:
    if not _WANTED or point != _WANTED:
        return
    try:
        marker(point).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def marker(point: str) -> Path:
    """Once per data directory: who removes the file arms the point again."""
    folder = Path(settings.VAR_DIR) / "run"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"killed-at-{point}"


def soon(point: str, seconds: float = 0.4) -> None:
    """For what happens while a call is under way: the request has left by then, the answer has not been read."""
    if point == _WANTED:
        threading.Timer(seconds, at, [point]).start()
