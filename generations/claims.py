"""Taking due steps: one UPDATE … RETURNING for a batch. Pushing `due_at` ahead is the lease, `lease_seq` the fence."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from generations.models import Step

LEASE = float(settings.MEDIAGEN_LEASE)  # seconds; renewed while the worker lives, so a dead one's steps come back soon
COLUMNS = [field.column for field in Step._meta.concrete_fields if field.column]


def take(
    cluster: str,
    *,
    limit: int,
    seconds: float = LEASE,
    verbs: Sequence[str] = ("submit", "look", "fetch", "settle"),
    without: Collection[UUID] = (),
) -> list[Step]:
    """Up to `limit` due steps of a cluster, highest priority then longest waiting first, leased for `seconds`.

    `without`: accounts that have all the attention they may get, so that they do not starve the rest.
    """
    now = time.time()
    account = Step._meta.get_field("account_id")
    crowded = [account.get_db_prep_value(one, connection) for one in without]
    others = f" AND (account_id IS NULL OR account_id NOT IN ({', '.join(['%s'] * len(crowded))}))" if crowded else ""
    skip = " FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    marks = ", ".join(["%s"] * len(verbs))
    table = Step._meta.db_table
    sql = (
        f"UPDATE {table} SET due_at = %s, lease_seq = lease_seq + 1, claimed = %s WHERE generation_id IN "  # noqa: S608  no values in the text
        f"(SELECT generation_id FROM {table} WHERE cluster = %s AND due_at <= %s AND verb IN ({marks}){others} "
        f"ORDER BY priority DESC, due_at LIMIT %s{skip}) RETURNING {', '.join(COLUMNS)}"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [now + seconds, True, cluster, now, *verbs, *crowded, limit])
        return [
            Step.from_db("default", [field.attname for field in Step._meta.concrete_fields], _row(row))
            for row in cursor.fetchall()
        ]


def _row(values: Sequence[object]) -> list[object]:
    """Raw columns as the model reads them (SQLite hands back text and integers for UUIDs and booleans)."""
    fields = Step._meta.concrete_fields
    found = []
    for field, value in zip(fields, values, strict=True):
        for convert in [
            *connection.ops.get_db_converters(field.get_col(Step._meta.db_table)),
            *field.get_db_converters(connection),
        ]:
            value = convert(value, field.get_col(Step._meta.db_table), connection)
        found.append(value)
    return found


def renew(steps: Iterable[Step]) -> None:
    """Still at it: push the leases ahead. A step that moved on or was taken over is left as it is."""
    for step in steps:
        Step.objects.filter(pk=step.pk, lease_seq=step.lease_seq, claimed=True).update(due_at=time.time() + LEASE)


def next_due(cluster: str) -> float | None:
    """When the next step of this cluster is due, within reason; None when nothing waits."""
    due = (
        Step.objects.filter(cluster=cluster, due_at__lt=2**40)
        .order_by("due_at")
        .values_list("due_at", flat=True)
        .first()
    )
    return due
