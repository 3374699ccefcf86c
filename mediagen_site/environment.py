"""Reads the environment and the two key files for settings: one place, one clear sentence when something is missing."""

from __future__ import annotations

import secrets
import warnings
from pathlib import Path

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env", overwrite=False)


def var_dir() -> Path:
    return Path(env.str("MEDIAGEN_VAR", default="") or BASE_DIR / "var").expanduser().resolve()


def secret(name: str, file: Path) -> str:
    """The value of an environment variable, else of its file in var/."""
    value = env.str(name, default="")
    if value:
        return value
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        raise ImproperlyConfigured(
            f"{name} is not set and {file} does not exist. Run `python3 run.py` once to make it, or set {name}."
        ) from None


def make_keys(var: Path) -> None:
    """First start: var/ with its secret key and field key, readable by this user only."""
    var.mkdir(parents=True, exist_ok=True)
    _write_once(var / "secret_key", secrets.token_urlsafe(50))
    _write_once(var / "field_keys", Fernet.generate_key().decode())


def _write_once(path: Path, value: str) -> None:
    try:
        with open(path, "x", opener=lambda name, flags: __import__("os").open(name, flags, 0o600)) as file:
            file.write(value + "\n")
    except FileExistsError:
        path.chmod(0o600)


def host_ports(value: str) -> frozenset[tuple[str, int]]:
    """`host:port,…` as pairs; anything else is refused with the form it should have."""
    pairs = set()
    for item in filter(None, (part.strip() for part in value.split(","))):
        host, _, port = item.rpartition(":")
        if not host or not port.isdigit():
            raise ImproperlyConfigured(f"MEDIAGEN_PRIVATE_HOSTS has {item!r}; write host:port, separated by commas.")
        pairs.add((host.strip("[]").lower(), int(port)))
    return frozenset(pairs)


def database(var: Path) -> dict[str, object]:
    """DATABASE_URL, or SQLite in var/ told to behave under several writers (WAL, IMMEDIATE)."""
    try:
        with warnings.catch_warnings():  # an address it does not know is told below, in one sentence
            warnings.simplefilter("ignore")
            config = env.db("DATABASE_URL", default=f"sqlite:///{var / 'mediagen.sqlite3'}")
    except Exception as error:
        raise ImproperlyConfigured(
            f"DATABASE_URL cannot be read ({error}). Write postgres://user:password@host:5432/name."
        ) from None
    if config.get("ENGINE") == "django.db.backends.sqlite3":
        config["OPTIONS"] = {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA mmap_size=134217728;PRAGMA cache_size=-20000",
        }
        config["TEST"] = {"NAME": str(var / "test.sqlite3")}
    elif config.get("ENGINE") in ("django.db.backends.postgresql", "django.db.backends.postgresql_psycopg2"):
        config["OPTIONS"] = {"connect_timeout": 5, **config.get("OPTIONS", {})}
    else:
        raise ImproperlyConfigured("DATABASE_URL must be a postgres:// or sqlite:/// address.")
    return config
