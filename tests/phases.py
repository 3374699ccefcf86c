"""`python3 run.py test`: the suite on PostgreSQL with Redis (without a browser), then all of it on SQLite.

With arguments it is pytest with those arguments, once, on SQLite or on the DATABASE_URL of the environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.services import Missing, installed, postgres, redis


def main(args: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="mediagen-test-") as scratch:
        os.chmod(scratch, 0o755)  # the database server may run as another user
        if args:
            return pytest(args, Path(scratch), os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", ""))
        return everything(Path(scratch))


def everything(scratch: Path) -> int:
    """The quick half first: a failure there ends the run, so that the last line printed is always the verdict."""
    try:
        with postgres(scratch) as database, redis(scratch) as cache:
            print(f"Databases: PostgreSQL{' with Redis' if cache else ''}, then SQLite.", flush=True)
            failed = pytest([*parallel(), "-m", "not browser and not sqlite"], scratch / "1", database, cache)
    except Missing as missing:
        print(f"Databases: SQLite only ({missing}).", flush=True)
        failed = 1 if installed("postgres") and os.environ.get("CI") else 0
        if failed:
            print("PostgreSQL is installed here, so the suite must pass on it too.", file=sys.stderr)
    return failed or pytest(parallel(), scratch / "2", "", "")


def parallel() -> list[str]:
    """One more than there are cores: the fault tests mostly wait for something to recover."""
    return ["-n", str(min(5, (os.cpu_count() or 1) + 1)), "--dist", "loadfile"] if (os.cpu_count() or 1) > 1 else []


def pytest(args: list[str], var: Path, database: str, cache: str) -> int:
    """One run with a data directory of its own, deaf to any .env of the developer's."""
    var.mkdir(parents=True, exist_ok=True)
    env = {
        **os.environ,
        "MEDIAGEN_VAR": str(var),
        "DATABASE_URL": database or f"sqlite:///{var}/mediagen.sqlite3",
        "REDIS_URL": cache,
        "STORAGE_URL": "",
        "APP_URL": "",
    }
    return subprocess.run([sys.executable, "-m", "pytest", *args], env=env).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
