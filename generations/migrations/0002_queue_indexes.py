"""An index the ORM broker lacks (it scans its table otherwise), and room for in-place updates of the busy step table."""

from __future__ import annotations

from typing import Any

from django.db import migrations


def tune_steps(apps: Any, editor: Any) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute("ALTER TABLE generations_step SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02)")


class Migration(migrations.Migration):
    dependencies = [("generations", "0001_initial"), ("django_q", "0018_task_success_index")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX IF NOT EXISTS mediagen_ormq_due_idx ON django_q_ormq (key, lock)",
            "DROP INDEX IF EXISTS mediagen_ormq_due_idx",
        ),
        migrations.RunPython(tune_steps, migrations.RunPython.noop),
    ]
