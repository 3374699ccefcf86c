"""`manage.py up`: makes ready what is missing, then serves until it is told to stop."""

from __future__ import annotations

import argparse
import fcntl
import os
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from mediagen_site.children import Plan, python
from mediagen_site.environment import env
from mediagen_site.supervisor import Supervisor

CLUSTERS = ("default", "poll", "io")


class Command(BaseCommand):
    help = "Set up what is missing, then run the web server and the workers until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parts = ["setup", "web", "worker"]
        parser.add_argument("--only", choices=parts, help="one part of it: `setup` first, then the others anywhere")

    def handle(self, *args: Any, only: str | None = None, **options: Any) -> None:
        os.chdir(settings.BASE_DIR)
        host, port = address()
        if only in (None, "web"):
            refuse_taken(host, port)
        with sole_user_of(settings.VAR_DIR):
            reach_database()
            link = self.prepare() if only in (None, "setup") else ""
            if only == "setup":
                self.stdout.write(f"Set up. Sign in once as admin: {settings.APP_URL or inner(host, port)}{link}")
            else:
                sys.exit(self.serve(host, port, only, link))

    def prepare(self) -> str:
        """The schema, the catalogue (after migrate), the first admin; answers with a fresh sign-in link."""
        from accounts.keys import signin_link
        from accounts.people import ensure_first_admin

        call_command("migrate", interactive=False, verbosity=0)
        link = signin_link(ensure_first_admin())
        connection.close()
        return link

    def serve(self, host: str, port: int, only: str | None, link: str) -> int:
        from mediagen_site.signs import DatabaseSigns

        plans = ([] if only == "worker" else [web(host, port)]) + (
            [] if only == "web" else [cluster(name) for name in CLUSTERS]
        )
        signs = None if only == "web" else DatabaseSigns(CLUSTERS)
        supervisor = Supervisor(plans, stop_file=settings.VAR_DIR / "run" / "stop", signs=signs)
        inside = inner(host, port)
        return supervisor.run(
            live=(lambda: True) if only == "worker" else lambda: is_live(f"{inside}/health/live"),
            announce=lambda: self.stdout.write(banner(inside, link)),
        )


def address() -> tuple[str, int]:
    host, port = env.str("HOST", default="127.0.0.1"), env.str("PORT", default="") or "8000"
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise CommandError(f"PORT is {port!r}; it must be a number from 1 to 65535.", returncode=2)
    return host, int(port)


def inner(host: str, port: int) -> str:
    """Our own address as seen from this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


def refuse_taken(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise CommandError(
                f"Port {port} needs more rights than this user has; choose one with PORT=8001.", returncode=2
            ) from None
        except OSError as error:
            in_use = f"Port {port} of {host} cannot be used ({(error.strerror or str(error)).lower()})"
            remedy = "is Mediagen running already? Stop what holds it, or choose another with PORT=8001"
            raise CommandError(f"{in_use}: {remedy}.", returncode=2) from None


def sole_user_of(var: Path) -> TextIO:
    """One supervisor per data directory: two would stop each other's work."""
    (var / "run").mkdir(parents=True, exist_ok=True)
    var.chmod(0o700)
    file = open(var / "run" / "lock", "a")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandError(
            f"Mediagen is running already with the data in {var}; stop it, or set MEDIAGEN_VAR.", returncode=2
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def reach_database() -> None:
    try:
        connection.ensure_connection()
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CommandError(f"The database of DATABASE_URL cannot be reached: {first}", returncode=2) from None


def web(host: str, port: int) -> Plan:
    options = ["--host", host, "--port", str(port), "--workers", str(env.int("WEB_CONCURRENCY", default=1))]
    options += ["--lifespan", "off", "--timeout-graceful-shutdown", "3", "--no-access-log", "--log-level", "warning"]
    if env.bool("BEHIND_PROXY", default=False):
        options += ["--proxy-headers", "--forwarded-allow-ips", env.str("FORWARDED_ALLOW_IPS", default="127.0.0.1")]
    else:
        options += ["--no-proxy-headers"]
    return Plan("web", python("-m", "uvicorn", "mediagen_site.asgi:application", *options))


def cluster(name: str) -> Plan:
    names = {"Q_CLUSTER_NAME": name, "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"}  # the second: macOS and fork
    return Plan(name, python("manage.py", "qcluster"), env=names, cluster=name)


def is_live(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
            return answer.status == 200
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
