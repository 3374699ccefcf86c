"""manage.py audit: proves the invariants of paid work over the whole database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from generations import auditing


class Command(BaseCommand):
    help = (
        "Prove that no job is lost, none is paid twice and every credit is explained. Exits 1 when something is not so."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--deep", action="store_true", help="Also read every stored file again and compare its hash."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found, seconds = auditing.run(deep=options["deep"])
        for offence in found:
            self.stderr.write(str(offence))
        if found:
            self.stderr.write(f"{len(found)} offences, first: {found[0].invariant.key} {found[0].id}")
            raise SystemExit(1)
        count = len(auditing.INVARIANTS)
        self.stdout.write(f"All {count} invariants hold ({seconds:.2f} s).")
