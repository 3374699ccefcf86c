"""`signin NAME`: a fresh link that signs this person in, once, within a day."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import keys

from ._people import person


class Command(BaseCommand):
    help = "Print a one-time sign-in link."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="The user name.")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        user = person(name, "NAME")
        if not user.is_active:
            raise CommandError(f"NAME: {name} is switched off. Make the user active first.")
        self.stdout.write(base_url() + keys.signin_link(user))


def base_url() -> str:
    return settings.APP_URL or f"http://127.0.0.1:{os.environ.get('PORT') or 8000}"
