"""`python3 run.py check`: every check that needs no test, side by side, one line each."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PYTHON = sys.executable
BIN = Path(PYTHON).parent
PRODUCTION = {
    "APP_URL": "https://mediagen.example",
    "ALLOWED_HOSTS": "mediagen.example",
    "BEHIND_PROXY": "true",
    "STATIC_MANIFEST": "true",
    "DEBUG": "false",
}
# longest first: the others fit beside it
CHECKS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "types": ((str(BIN / "mypy"),), {}),
    "deployment": ((PYTHON, "manage.py", "check", "--deploy", "--fail-level", "WARNING"), PRODUCTION),
    "migrations": ((PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"), {}),
    "django": ((PYTHON, "manage.py", "check", "--fail-level", "WARNING"), {}),
    "layers": ((str(BIN / "lint-imports"), "--no-logo"), {}),
    "style": ((str(BIN / "ruff"), "check", "."), {}),
    "format": ((str(BIN / "ruff"), "format", "--check", "."), {}),
}


def main() -> int:
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="mediagen-check-") as var,
        ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool,
    ):
        results = list(pool.map(lambda name: run(name, Path(var)), CHECKS))
    print(f"{'all':<12} {'ok' if all(results) else 'FAILED':<7} {time.monotonic() - started:5.1f} s")
    return 0 if all(results) else 1


def run(name: str, var: Path) -> bool:
    command, extra = CHECKS[name]
    started = time.monotonic()
    done = subprocess.run(
        command, env={**surroundings(var), **extra}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    words = "" if done.returncode == 0 else f"\n{done.stdout.rstrip()}"
    print(f"{name:<12} {'FAILED' if words else 'ok':<7} {time.monotonic() - started:5.1f} s{words}", flush=True)
    return done.returncode == 0


def surroundings(var: Path) -> dict[str, str]:
    """Settings of nobody's installation: keys for the occasion, an empty database beside them."""
    from cryptography.fernet import Fernet

    return {
        **os.environ,
        "MEDIAGEN_VAR": str(var),
        "SECRET_KEY": Fernet.generate_key().decode() * 2,
        "FIELD_KEYS": Fernet.generate_key().decode(),
        "DATABASE_URL": f"sqlite:///{var}/check.sqlite3",
        "REDIS_URL": "",
        "STORAGE_URL": "",
        "APP_URL": "",
    }


if __name__ == "__main__":
    sys.exit(main())
