"""`wallet show|grant|adjust`: a workspace's credits from the command line; every change carries a reason."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import ledger, money
from accounts.errors import Refused
from accounts.models import Pool

from ._people import person, workspace_for


class Command(BaseCommand):
    help = "Show a wallet, grant credits to it, or correct it."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        for verb, text in (("show", "What is in it."), ("grant", "Add credits."), ("adjust", "Correct it either way.")):
            one = verbs.add_parser(verb, help=text)
            one.add_argument("--user", required=True, help="Whose wallet: the user name.")
            one.add_argument("--workspace", help="Slug of the workspace; the person's own when left out.")
            if verb != "show":
                amounts = one.add_mutually_exclusive_group(required=True)
                amounts.add_argument("--by", help="Credits to add (adjust: negative takes away).")
                amounts.add_argument("--to", help="Credits there should be afterwards.")
                one.add_argument("--reason", required=True, help="Kept with the entry.")

    def handle(self, *args: Any, verb: str, user: str, workspace: str | None, **options: Any) -> None:
        pool = ledger.wallet(workspace_for(person(user), workspace))
        try:
            if verb != "show":
                self._change(pool, verb, **options)
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        pool.refresh_from_db()
        balance = pool.balance or 0
        self.stdout.write(
            f"{pool.workspace}: balance {money.show(balance)}, held {money.show(pool.held)}, "
            f"available {money.show(balance - pool.held)} credits"
        )

    def _change(self, pool: Pool, verb: str, *, by: str | None, to: str | None, reason: str, **rest: Any) -> None:
        if not reason.strip():
            raise CommandError("--reason: say why, it is kept with the entry.")
        amount = (
            money.read_amount(by, field="--by", positive=verb == "grant") if by is not None else _until(pool, to or "")
        )
        if verb == "grant" and amount < 0:
            raise CommandError("--to: a grant cannot lower the balance; use `wallet adjust`.")
        write = ledger.grant if verb == "grant" else ledger.adjust
        write(pool, amount=amount, key=f"{verb}:{uuid.uuid4()}", note=reason.strip())


def _until(pool: Pool, to: str) -> int:
    """What is missing to the wanted balance."""
    wanted = 0 if to.strip() == "0" else money.read_amount(to, field="--to")
    missing = wanted - (pool.balance or 0)
    if missing == 0:
        raise CommandError(f"--to: the balance already is {money.show(wanted)}.")
    return missing
