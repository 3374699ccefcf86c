"""A PostgreSQL and a Redis for one test run: started from the machine's programs in a scratch directory, else a reachable one.

Private servers come first: they are quicker (no fsync) and nobody's data can be in them.
"""

from __future__ import annotations

import contextlib
import getpass
import glob
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=120", "shared_buffers=64MB")


class Missing(Exception):
    """There is no such server here and none could be started; the message says why."""


def installed(program: str) -> str | None:
    """The path of a server program, also where Debian hides it."""
    found = sorted((path for place in PLACES for path in glob.glob(f"{place}/{program}")), reverse=True)
    return found[0] if found else shutil.which(program)


@contextlib.contextmanager
def postgres(scratch: Path) -> Iterator[str]:
    """DATABASE_URL of a server where databases may be made."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
    elif program := installed("postgres"):
        with private_postgres(Path(program).parent, scratch / "postgres") as url:
            yield url
    elif reachable(5432):
        yield f"postgres://{os.environ.get('PGUSER') or getpass.getuser()}@127.0.0.1:5432/postgres"
    else:
        raise Missing("no PostgreSQL is installed or reachable")


@contextlib.contextmanager
def private_postgres(programs: Path, data: Path) -> Iterator[str]:
    user, port = unprivileged("postgres", "nobody"), free_port()
    data.mkdir(mode=0o700)
    if user:
        shutil.chown(data, user)
    cwd = str(data)
    options = " ".join(f"-c {option}" for option in FAST) + f" -c unix_socket_directories='' -h 127.0.0.1 -p {port}"
    quiet = ["-D", cwd, "-l", f"{data}/log", "-w", "-s"]
    said(programs / "initdb", "-D", cwd, "-U", "mediagen", "-A", "trust", "-N", "-E", "UTF8", user=user, cwd=cwd)
    said(programs / "pg_ctl", "start", *quiet, "-o", options, user=user, cwd=cwd)
    try:
        yield f"postgres://mediagen@127.0.0.1:{port}/postgres"
    finally:
        said(programs / "pg_ctl", "stop", *quiet, "-m", "immediate", user=user, cwd=cwd)


@contextlib.contextmanager
def redis(scratch: Path) -> Iterator[str]:
    """REDIS_URL, or an empty string: the suite passes without."""
    program = installed("redis-server")
    if given := os.environ.get("TEST_REDIS_URL"):
        yield given
    elif not program:
        yield ""
    else:
        port = free_port()
        options = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(scratch),
        ]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            if not wait_for(port):
                raise Missing("redis-server did not start")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait()


def said(program: Path, *args: str, user: str | None, cwd: str) -> None:
    done = subprocess.run(
        [program, *args], user=user, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise Missing(f"{program.name} failed: {(done.stderr.strip().splitlines() or ['it does not say why'])[-1]}")


def unprivileged(*names: str) -> str | None:
    """PostgreSQL refuses to run as root; everybody else runs it as themselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in names if name in known), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(port: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if reachable(port):
            return True
        time.sleep(0.05)
    return False
