"""`apikey create|list|revoke`: keys for programs, made where the server runs. A new key is printed once, alone on its line."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts import keys
from accounts.errors import Refused
from accounts.models import ApiKey
from accounts.money import read_amount

from ._people import person, workspace_for


def positive(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 10**6:
        raise argparse.ArgumentTypeError(f"write a whole number above 0, not {text!r}")
    return int(text)


def _limits(options: dict[str, Any]) -> dict[str, Any]:
    days, budget = options.get("days"), options.get("budget")
    return {
        "rate_per_minute": options.get("rate"),
        "expires_at": timezone.now() + timedelta(days=days) if days else None,
        "budget_micros": read_amount(budget, field="budget") if budget else None,
    }


class Command(BaseCommand):
    help = "Make, list and revoke API keys."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="Make a key and print it once.")
        create.add_argument("--user", required=True, help="Whose key: the user name.")
        create.add_argument("--workspace", help="Slug of the workspace it works in; the person's own when left out.")
        create.add_argument(
            "--scopes", default="read,submit", help="Of read, submit, accounts, admin; separated by commas."
        )
        create.add_argument("--rate", type=positive, help="Requests a minute, in place of the site's 600.")
        create.add_argument("--days", type=positive, help="Days until it expires; never when left out.")
        create.add_argument("--budget", help="Most credits it may have held and spent.")
        create.add_argument("--name", default="command line", help="To tell it from others.")
        listing = verbs.add_parser("list", help="Show keys, never their secrets.")
        listing.add_argument("--user", help="Only this person's.")
        revoke = verbs.add_parser("revoke", help="Refuse a key from now on.")
        revoke.add_argument("prefix", help="The part after mg_, as the list shows it.")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            getattr(self, f"_{verb}")(**options)
        except Refused as refusal:
            raise CommandError(f"--{refusal}" if refusal.fields else str(refusal)) from None

    def _create(self, *, user: str, workspace: str | None, scopes: str, name: str, **rest: Any) -> None:
        owner = person(user)
        wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
        place = workspace_for(owner, workspace)
        key, secret = keys.issue(workspace=place, user=owner, name=name, scopes=wanted, **_limits(rest))
        self.stderr.write(
            f"Key {key.name!r} for {owner} in {key.workspace.slug} ({', '.join(key.scopes)}). It is shown only now:"
        )
        self.stdout.write(secret)

    def _list(self, *, user: str | None, **rest: Any) -> None:
        found = ApiKey.objects.select_related("user", "workspace")
        for key in found.filter(user=person(user)) if user else found:
            state = "revoked" if key.revoked_at else "live" if key.is_live else "expired"
            used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
            self.stdout.write(
                f"mg_{key.prefix}  {state:7}  {key.user}  {key.workspace.slug}  {','.join(key.scopes)}  {used}  {key.name}"
            )

    def _revoke(self, *, prefix: str, **rest: Any) -> None:
        key = ApiKey.objects.filter(prefix=prefix.removeprefix("mg_").split("_")[0]).first()
        if key is None:
            raise CommandError(f"prefix: there is no key {prefix!r}; `apikey list` shows them.")
        keys.revoke(key)
        self.stdout.write(f"Revoked {key}.")
