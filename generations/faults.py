"""Named points where a test may make this process kill itself. Inert unless MEDIAGEN_KILL_AT names the point.

`MEDIAGEN_KILL_AT=before_send` fires once per data directory, `before_send*3` three times; the restarted process recovers.
"""

from __future__ import annotations

import os
import signal
import threading

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
_WANTED, _, _times = os.environ.get("MEDIAGEN_KILL_AT", "").partition("*")
TIMES = int(_times or 1)


def at(point: str) -> None:
    if point != _WANTED or not _claim(point):
        return
    os.kill(os.getpid(), signal.SIGKILL)


def _claim(point: str) -> bool:
    """A marker file per shot, so that the restarted process is left to recover."""
    folder = settings.VAR_DIR / "run"
    folder.mkdir(parents=True, exist_ok=True)
    for shot in range(TIMES):
        try:
            (folder / f"killed-at-{point}-{shot}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return True
    return False


def soon(point: str, seconds: float = 0.4) -> None:
    """For what happens while a call is under way: the request has left by then, the answer has not been read."""
    if point == _WANTED:
        threading.Timer(seconds, at, [point]).start()
