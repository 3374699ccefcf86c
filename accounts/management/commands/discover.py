"""manage.py discover: asks providers which models they offer now, and keeps what they list."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import discovery
from accounts.errors import Refused


class Command(BaseCommand):
    help = "Ask the providers that list their models at run time (or only the one named) and keep what they offer."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", nargs="?", default="", help="Its slug; empty: every one that can.")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = discovery.accounts_of(options["provider"])
        if not asked:
            raise CommandError("No working site-wide account of a provider that lists its models at run time.")
        for account in asked:
            try:
                counts = discovery.discover(account)
            except Refused as refusal:
                raise CommandError(refusal.detail) from None
            told = ", ".join(f"{number} {word}" for word, number in counts.items())
            self.stdout.write(f"{account.provider.name}: {told}.")
