"""The databases a fault is shown on: SQLite always, PostgreSQL (with Redis as broker where it runs) when it can be had."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

POSTGRES = os.environ.get("TEST_POSTGRES_URL") or (
    os.environ["DATABASE_URL"] if os.environ.get("DATABASE_URL", "").startswith("postgres") else ""
)
DATABASES = ["postgres"] if POSTGRES else ["sqlite"]
REDIS = os.environ.get("REDIS_URL", "") if POSTGRES else ""


def broker(number: int) -> dict[str, str]:
    """A corner of Redis of its own where there is one; else the queue lies in the database."""
    return {"REDIS_URL": urlunsplit(urlsplit(REDIS)._replace(path=f"/{number}"))} if REDIS else {}


@contextmanager
def database(kind: str) -> Iterator[str]:
    """An address of a fresh database, gone afterwards; empty for SQLite, which lies in the data directory."""
    if kind == "sqlite":
        yield ""
        return
    import psycopg

    name = f"mediagen_fault_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(POSTGRES)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(POSTGRES, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
