"""The invariants of paid work, proven over the whole database by set-based SQL. Each names the first rows that break it.

The numbers are those of the design; I14 to I16 (deliveries, secrets, tenants) are tests of the doors instead.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import connection

from generations.models import Blob

G, A, E, P, AS = "generations_generation", "generations_attempt", "accounts_entry", "accounts_pool", "generations_asset"
TERMINAL = "('succeeded', 'failed', 'filtered', 'cancelled')"
OPEN = "('sending', 'unknown', 'accepted')"
MAX_ATTEMPTS = 1000  # far above any policy: waits and cool-downs do not count as retries


@dataclass(frozen=True, slots=True)
class Invariant:
    key: str
    says: str
    sql: str  # selects (table, id, what is wrong) of every offender


@dataclass(frozen=True, slots=True)
class Offence:
    invariant: Invariant
    table: str
    id: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant.key} {self.invariant.says}: {self.table} {self.id}: {self.what}"


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        "I1",
        "every hold is captured, released or still open",
        f"""SELECT '{E}', e.reference, 'held more or less than nothing after its end' FROM {E} e JOIN {G} g ON g.id = e.reference
            JOIN {P} p ON p.id = e.pool_id WHERE p.workspace_id IS NOT NULL AND g.status IN {TERMINAL}
            GROUP BY e.reference HAVING SUM(e.held_change) <> 0
            UNION ALL SELECT '{E}', e.reference, 'a hold went below nothing' FROM {E} e WHERE e.reference IS NOT NULL
            GROUP BY e.pool_id, e.reference HAVING SUM(e.held_change) < 0""",
    ),
    Invariant(
        "I2",
        "no wallet is below what it holds",
        f"""SELECT '{P}', id, 'balance below held' FROM {P} WHERE held < 0
            OR (workspace_id IS NOT NULL AND (balance IS NULL OR balance < held))""",
    ),
    Invariant(
        "I3",
        "each cached figure is the sum of its entries",
        f"""SELECT '{P}', p.id, 'cached balance or held differs from its entries' FROM {P} p LEFT JOIN
            (SELECT pool_id, SUM(amount) AS amount, SUM(held_change) AS held FROM {E} GROUP BY pool_id) e ON e.pool_id = p.id
            WHERE p.held <> COALESCE(e.held, 0) OR (p.balance IS NOT NULL AND p.balance <> COALESCE(e.amount, 0))""",
    ),
    Invariant(
        "I4",
        "a hold is open only while its work is under way or its outcome unknown",
        f"""SELECT '{G}', g.id, 'live without its hold' FROM {G} g WHERE g.status NOT IN {TERMINAL} AND g.held_micros <>
            (SELECT COALESCE(SUM(e.held_change), 0) FROM {E} e JOIN {P} p ON p.id = e.pool_id
            WHERE e.reference = g.id AND p.workspace_id IS NOT NULL)
            UNION ALL SELECT '{A}', a.id, 'ended with its account hold open' FROM {A} a
            WHERE a.state NOT IN {OPEN} AND a.charged <> 'unknown'
            AND (SELECT COALESCE(SUM(e.held_change), 0) FROM {E} e WHERE e.reference = a.id) <> 0""",
    ),
    Invariant(
        "I5",
        "what did not succeed costs nothing",
        f"""SELECT '{G}', g.id, 'charged although it ended as ' || g.status FROM {G} g WHERE g.status IN ('failed', 'filtered', 'cancelled')
            AND (g.charged_micros <> 0 OR (SELECT COALESCE(SUM(e.amount), 0) FROM {E} e JOIN {P} p ON p.id = e.pool_id
            WHERE e.reference = g.id AND p.workspace_id IS NOT NULL) <> 0)""",
    ),
    Invariant(
        "I6",
        "what succeeded was captured once, as its receipt says",
        f"""SELECT '{G}', g.id, 'captured ' || COUNT(e.id) || ' times or not what the row says' FROM {G} g
            LEFT JOIN {E} e ON e.reference = g.id AND e.kind = 'capture'
            AND e.pool_id IN (SELECT id FROM {P} WHERE workspace_id IS NOT NULL) WHERE g.status = 'succeeded'
            GROUP BY g.id, g.status, g.charged_micros HAVING COUNT(e.id) <> 1 OR COALESCE(-SUM(e.amount), 0) <> g.charged_micros""",
    ),
    Invariant(
        "I7",
        "no capture exceeds its hold",
        f"SELECT '{G}', id, 'charged more than was held' FROM {G} WHERE charged_micros > held_micros",
    ),
    Invariant(
        "I8",
        "one open attempt at most, numbered without gaps",
        f"""SELECT '{A}', MIN(CAST(a.id AS TEXT)), 'two open attempts of one generation' FROM {A} a
            WHERE a.state IN {OPEN} GROUP BY a.generation_id HAVING COUNT(*) > 1
            UNION ALL SELECT '{A}', MIN(CAST(a.id AS TEXT)), 'attempt numbers have a gap' FROM {A} a GROUP BY a.generation_id
            HAVING MAX(a.number) <> COUNT(*) OR MIN(a.number) <> 1 OR COUNT(*) > {MAX_ATTEMPTS}""",
    ),
    Invariant(
        "I9",
        "an end is an end: no open attempt, no step, one terminal event",
        f"""SELECT '{G}', g.id, 'ended with an open attempt' FROM {G} g
            JOIN {A} a ON a.generation_id = g.id AND a.state IN {OPEN} WHERE g.status IN {TERMINAL}
            UNION ALL SELECT '{G}', g.id, 'ended with a step due' FROM {G} g
            JOIN generations_step s ON s.generation_id = g.id WHERE g.status IN {TERMINAL}
            UNION ALL SELECT '{G}', g.id, 'live without a step' FROM {G} g LEFT JOIN generations_step s ON s.generation_id = g.id
            WHERE g.status NOT IN {TERMINAL} AND s.generation_id IS NULL
            UNION ALL SELECT '{G}', v.generation_id, 'more than one end in its story' FROM generations_event v
            WHERE v.kind = 'status' AND v.status IN {TERMINAL} GROUP BY v.generation_id HAVING COUNT(*) > 1""",
    ),
    Invariant(
        "I10",
        "succeeded means a file is kept",
        f"""SELECT '{G}', g.id, 'succeeded without an asset' FROM {G} g LEFT JOIN {AS} a ON a.generation_id = g.id AND a.role = 'output'
            WHERE g.status = 'succeeded' AND a.id IS NULL""",
    ),
    Invariant(
        "I11",
        "the last event tells the row's status",
        f"""SELECT '{G}', g.id, 'its story ends as ' || v.status || ', its row says ' || g.status FROM {G} g
            JOIN generations_event v ON v.id =
            (SELECT MAX(w.id) FROM generations_event w WHERE w.generation_id = g.id AND w.kind = 'status') WHERE v.status <> g.status
            UNION ALL SELECT '{G}', g.id, 'has no story' FROM {G} g WHERE NOT EXISTS
            (SELECT 1 FROM generations_event w WHERE w.generation_id = g.id AND w.kind = 'status')""",
    ),
    Invariant(
        "I12",
        "places at accounts are held only by attempts under way",
        f"""SELECT 'accounts_lease', l.id, 'held by no open attempt' FROM accounts_lease l
            LEFT JOIN {A} a ON a.id = l.attempt AND a.state IN {OPEN} WHERE a.id IS NULL""",
    ),
    Invariant(
        "I13",
        "every idempotency key belongs to one generation whose body is known",
        f"""SELECT '{G}', MIN(CAST(id AS TEXT)), 'its key has no body, or is used twice' FROM {G} WHERE idempotency_key IS NOT NULL
            GROUP BY workspace_id, idempotency_key HAVING COUNT(*) > 1 OR MIN(body_hash) = ''""",
    ),
)


def check(keys: Sequence[str] = ()) -> Iterator[Offence]:
    for invariant in INVARIANTS:
        if keys and invariant.key not in keys:
            continue
        with connection.cursor() as cursor:
            cursor.execute(invariant.sql)
            for table, row, what in cursor.fetchmany(100):
                yield Offence(invariant, table, str(row), what)


DEEP = Invariant("I10", "succeeded means a file is kept", "")


def check_files() -> Iterator[Offence]:
    """--deep: every blob is read again and hashed."""
    from generations import assets

    for blob in Blob.objects.order_by("pk").iterator():
        digest = hashlib.sha256()
        try:
            with assets.open_blob(blob) as file:
                for chunk in iter(lambda: file.read(2**20), b""):
                    digest.update(chunk)
        except OSError as error:
            yield Offence(DEEP, "generations_blob", blob.sha256, f"cannot be read ({error})")
            continue
        if digest.hexdigest() != blob.sha256:
            yield Offence(DEEP, "generations_blob", blob.sha256, "its bytes are not what they were")


def run(*, deep: bool = False) -> tuple[list[Offence], float]:
    started = time.monotonic()
    found = list(check())
    if deep:
        found += check_files()
    return found, time.monotonic() - started
