"""`manage.py up`: makes ready what is missing, then serves until it is told to stop."""

from __future__ import annotations

import argparse
import fcntl
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TextIO

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection

from mediagen_site import parts
from mediagen_site.environment import env
from mediagen_site.supervisor import Supervisor

PARTS = ("setup", "web", "worker")


class Command(BaseCommand):
    help = "Set up what is missing, then run the web server and the workers until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--only", choices=PARTS, help="one part of it: `setup` first, then the others anywhere")

    def handle(self, *args: Any, only: str | None = None, **options: Any) -> None:
        wanted = {only} if only else set(PARTS)
        os.chdir(settings.BASE_DIR)
        host, port = address()
        door = open_door(host, port) if "web" in wanted else None
        with sole_user_of(settings.VAR_DIR):
            link = Aside(prepare if "setup" in wanted else reach_database)
            inside = inner(host, port)
            if wanted == {"setup"}:
                self.stdout.write(f"Set up. Sign in once as admin: {settings.APP_URL or inside}{link.answer()}")
                return
            parts.preload()
            self.serve(wanted, door, inside, link.answer())

    def serve(self, wanted: set[str], door: socket.socket | None, inside: str, link: str) -> NoReturn:
        plans = (parts.webs(door) if door else []) + (parts.workers() if "worker" in wanted else [])
        supervisor = Supervisor(plans, stop_file=settings.VAR_DIR / "run" / "stop")
        code = supervisor.run(
            live=lambda: door is None or is_live(f"{inside}/health/live"),
            announce=lambda: self.stdout.write(banner(inside, link)),
        )
        sys.exit(code)


def prepare() -> str:
    """The schema, the catalogue (after migrate), the first admin; answers with a fresh sign-in link."""
    from accounts.keys import signin_link
    from accounts.people import ensure_first_admin

    reach_database()
    call_command("migrate", interactive=False, verbosity=0)
    return signin_link(ensure_first_admin())


def reach_database() -> str:
    try:
        connection.ensure_connection()
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        refuse(f"The database of DATABASE_URL cannot be reached: {first}")
    return ""


class Aside:
    """Work in a process of its own, while this one goes on loading: neither its connections nor its memory stay here."""

    def __init__(self, work: Callable[[], str]) -> None:
        self.pipe, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._do(work, theirs)
        os.close(theirs)

    def _do(self, work: Callable[[], str], pipe: int) -> NoReturn:
        code = 1
        try:
            os.write(pipe, work().encode())
            code = 0
        except SystemExit as wish:
            code = wish.code if isinstance(wish.code, int) else 1
        except KeyboardInterrupt:
            code = 130
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def answer(self) -> str:
        with open(self.pipe, encoding="utf-8") as pipe:
            words = pipe.read()
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if code:
            sys.exit(code)
        return words


def refuse(sentence: str) -> NoReturn:
    """What stands in the way, in a sentence, and nothing of our inside."""
    print(sentence, file=sys.stderr, flush=True)
    sys.exit(2)


def address() -> tuple[str, int]:
    host, port = env.str("HOST", default="127.0.0.1"), env.str("PORT", default="") or "8000"
    if not port.isdigit() or not 0 < int(port) < 65536:
        refuse(f"PORT is {port!r}; it must be a number from 1 to 65535.")
    return host, int(port)


def inner(host: str, port: int) -> str:
    """Our own address as seen from this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


def open_door(host: str, port: int) -> socket.socket:
    """Takes the port now, before anything is changed, and keeps it."""
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
        )
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        remedy = "If Mediagen is running already, use that; else stop what holds the port, or choose another: PORT=8001"
        refuse(f"Port {port} of {host} cannot be used ({why}). {remedy}.")


def sole_user_of(var: Path) -> TextIO:
    """One supervisor per data directory: two would stop each other's work. The file tells whose it is."""
    (var / "run").mkdir(parents=True, exist_ok=True)
    var.chmod(0o700)
    file = open(var / "run" / "lock", "a")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sentence = f"Mediagen is running already with the data in {var}; stop it, or set MEDIAGEN_VAR."
        refuse(sentence)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def is_live(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code < 500  # a host name it does not answer to: it is up all the same
    except OSError:
        return False


def banner(inside: str, link: str) -> str:
    outside = settings.APP_URL or inside
    signin = f"\n  Sign in once as admin:  {outside}{link}" if link else ""
    return f"""
  Mediagen is ready:      {outside}/{signin}
  Your data lies in:      {settings.VAR_DIR}
  To stop:                Ctrl-C
"""
