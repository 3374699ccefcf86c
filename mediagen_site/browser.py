"""Finds a Chromium for the browser tests, or gets one. Standard library only: run.py imports it before anything is installed."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
BUNDLES = ("Chromium.app/Contents/MacOS/Chromium", "Google Chrome.app/Contents/MacOS/Google Chrome")
INSIDE = ("chrome-linux*/chrome", "chrome-mac*/*.app/Contents/MacOS/*")
OWN = Path(__file__).resolve().parent.parent / ".venv" / "browsers"
APT = ["apt-get", "install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
HOW = (
    "No Chromium was found and none could be installed. Install one (Debian: apt-get install chromium; macOS: Google "
    "Chrome), or set BROWSER_PATH to its executable."
)


class NoBrowser(Exception):
    """There is no Chromium here; the message says how to get one."""


def find() -> str | None:
    """The first Chromium on this machine that answers `--version`."""
    return next((path for path in candidates() if works(path)), None)


def candidates() -> Iterator[str]:
    if chosen := os.environ.get("BROWSER_PATH"):
        yield chosen
        return
    yield from filter(None, map(shutil.which, NAMES))
    yield from (
        os.path.join(root, name) for root in ("/Applications", os.path.expanduser("~/Applications")) for name in BUNDLES
    )
    for root in downloads():
        for inside in INSIDE:
            yield from sorted(glob.glob(os.path.join(root, "chromium-*", inside)), reverse=True)


def downloads() -> list[str]:
    """Where Playwright keeps the browsers it fetches: ours first, then the user's."""
    mac, linux = "~/Library/Caches/ms-playwright", "~/.cache/ms-playwright"
    theirs = os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or os.path.expanduser(
        mac if sys.platform == "darwin" else linux
    )
    return [str(OWN), theirs]


def works(path: str) -> bool:
    """Ubuntu's chromium-browser may be a stub that only advises; a real one tells its version."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def obtain(python: str) -> str:
    """A Chromium, installed now if need be: by apt when we may, else by Playwright into the checkout."""
    for attempt in (None, by_apt, by_playwright):
        if attempt:
            attempt(python)
        if found := find():
            return found
    raise NoBrowser(HOW)


def by_apt(python: str) -> None:
    if os.environ.get("BROWSER_PATH") or not shutil.which("apt-get") or os.geteuid() != 0:
        return
    print("Installing Chromium with apt-get (once) ...", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=quiet, stdout=subprocess.DEVNULL)
    subprocess.run(APT, env=quiet, stdout=subprocess.DEVNULL)


def by_playwright(python: str) -> None:
    if os.environ.get("BROWSER_PATH"):
        return
    print("Fetching Chromium with Playwright (once) ...", flush=True)
    own = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(OWN)}
    subprocess.run([python, "-m", "playwright", "install", "chromium"], env=own, stdout=subprocess.DEVNULL)
