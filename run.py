#!/usr/bin/env python3
"""usage: python3 run.py [command]

  (none)        set up, then serve with workers until Ctrl-C
  test [...]    the whole test suite on every database found, or pytest with your arguments
  check         style, types, layers, migrations, deployment settings
  bench [...]   the benchmarks
  manage ...    Django's command line, inside the private environment

Needs Python 3.11 and nothing else. All it makes lies in .venv/ and var/; both may be deleted.
"""

from __future__ import annotations

import os
import sys

if sys.version_info < (3, 11):
    sys.exit(
        "Mediagen needs Python 3.11 or newer and this is " + sys.version.split()[0] + "; start run.py with another."
    )

import fcntl
import hashlib
import importlib.util
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"  # tells which locked set is in it
TOOLS = VENV / "tools"
# pip's settings by the environment variable that tells uv the same; uv reads nothing of pip's own
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
JOINED_BY = {"find-links": ",", "cert": "", "proxy": ""}


class Stop(Exception):
    """Ends the program with this one sentence."""


def main(argv: list[str]) -> None:
    command, *rest = argv or ["up"]
    run = COMMANDS.get(command)
    if command in ("-h", "--help", "help"):
        print(__doc__)
    elif run is None:
        raise Stop(f"There is no command {command!r}.\n{__doc__}")
    else:
        os.chdir(ROOT)
        run(rest)


def up(rest: list[str]) -> None:
    manage(["up", *rest])


def manage(rest: list[str]) -> None:
    install("app")
    become("manage.py", *rest)


def test(rest: list[str]) -> None:
    install("dev")
    from mediagen_site import browser

    try:
        os.environ["BROWSER_PATH"] = browser.obtain(str(PYTHON))
    except browser.NoBrowser as error:
        raise Stop(str(error)) from None
    become("tests/phases.py", *rest)


def check(rest: list[str]) -> None:
    install("dev")
    become("tests/checks.py", *rest)


def bench(rest: list[str]) -> None:
    install("dev")
    become("-m", "tests.bench", *rest)


COMMANDS: dict[str, Callable[[list[str]], None]] = {f.__name__: f for f in (up, manage, test, check, bench)}


def become(*args: str) -> NoReturn:
    sys.stdout.flush()
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # many threads, little memory: keeps the idle tree small
    os.execv(PYTHON, [str(PYTHON), *args])


# -- the private environment ---------------------------------------------------------------------------------------------


def install(wanted: str) -> None:
    """Brings .venv to the locked set `app` or `dev` (which holds all of `app`); a stamp makes the second time free."""
    if is_installed(wanted):
        return
    VENV.mkdir(exist_ok=True)
    with open(VENV / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two starts at once: the second waits, then finds the work done
        if is_installed(wanted):
            return
        print(f"Setting up the private environment in {VENV} (once) ...", flush=True)
        make_venv()
        if not with_uv(wanted):
            pip("install", "--require-hashes", "-r", locked(wanted))
        STAMP.write_text(fingerprint(wanted))


def is_installed(wanted: str) -> bool:
    try:
        stamp = STAMP.read_text()
    except FileNotFoundError:
        return False
    return PYTHON.exists() and stamp in {fingerprint(wanted), fingerprint("dev")}


def fingerprint(name: str) -> str:
    return f"{name} {hashlib.sha256(Path(locked(name)).read_bytes()).hexdigest()}\n"


def locked(name: str) -> str:
    return str(ROOT / "requirements" / f"{name}.txt")


def make_venv() -> None:
    if not importlib.util.find_spec("ensurepip"):
        package = f"python3.{sys.version_info.minor}-venv"
        raise Stop(f"This Python cannot make virtual environments. On Debian or Ubuntu: apt-get install -y {package}")
    if not PYTHON.exists() or subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode:
        asked("the virtual environment could not be made", sys.executable, "-m", "venv", str(VENV))


def with_uv(wanted: str) -> bool:
    """uv is some ten times quicker than pip; when it cannot be had or fails, pip does the same work."""
    uv, cache = TOOLS / "bin" / "uv", VENV / "cache"
    env = {"UV_CACHE_DIR": str(cache), "UV_PYTHON_DOWNLOADS": "never", **uv_environment(), **os.environ}
    # one index per package is uv's guard against look-alikes; exact versions with hashes are a better one
    options = ["--require-hashes", "--index-strategy", "unsafe-best-match", "--python", str(PYTHON), "--quiet"]
    try:
        pip("install", "--require-hashes", "--upgrade", "--target", str(TOOLS), "-r", locked("uv"))
        command = [uv, "pip", "install", *options, "-r", locked(wanted)]
        # away from here: uv would apply the constraints of our pyproject.toml, which carry no hash
        done = subprocess.run(command, env=env, cwd="/", capture_output=True)
        return done.returncode == 0
    except (Stop, OSError):
        return False
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def pip(*args: str) -> None:
    env = {"PIP_NO_CACHE_DIR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **os.environ}
    asked("the locked packages could not be had (is there a network?)", str(PYTHON), "-m", "pip", "-q", *args, env=env)


def asked(problem: str, *command: str, env: dict[str, str] | None = None) -> None:
    """Runs a command quietly; its last word goes into our sentence when it fails."""
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        last = (done.stdout.strip().splitlines() or ["No reason given."])[-1]
        raise Stop(f"Mediagen was not set up: {problem}. {last}")


def uv_environment() -> dict[str, str]:
    """What the machine's pip is told (files and PIP_* variables), in uv's words."""
    listed = subprocess.run([PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    found: dict[str, list[str]] = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        if (name := key.rpartition(".")[2]) in PIP_TO_UV:
            found.setdefault(name, []).extend(" ".join(shlex.split(value)).replace("\\n", " ").split())
    return {PIP_TO_UV[name]: JOINED_BY.get(name, " ").join(dict.fromkeys(values)) for name, values in found.items()}


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Stop as stop:
        sys.exit(str(stop))
    except KeyboardInterrupt:
        sys.exit("Stopped before it was set up; start again when you like.")
