"""`rotatekeys`: writes every stored secret anew under the first of FIELD_KEYS, so that the others can be taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.fernet import InvalidToken
from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction

from accounts.encryption import EncryptedTextField, rotate


class Command(BaseCommand):
    help = "Encrypt every stored secret again with the newest field key. Put the new key first in FIELD_KEYS before."

    def handle(self, *args: Any, **options: Any) -> None:
        done, lost = 0, []
        for model, column in encrypted_columns():
            for pk in (
                model._default_manager.exclude(**{column: ""}).order_by("pk").values_list("pk", flat=True).iterator()
            ):
                if _again(model, pk, column, rotate):
                    done += 1
                else:
                    lost.append(f"{model._meta.label} {pk}")
        self.stdout.write(f"Secrets encrypted with the newest key: {done}.")
        if lost:
            raise CommandError(
                f"{len(lost)} cannot be read with any of FIELD_KEYS; connect these again: {', '.join(lost[:20])}."
            )
        self.stdout.write(
            "The older keys may now be taken out of FIELD_KEYS, once every process has been started again."
        )


def encrypted_columns() -> list[tuple[type[models.Model], str]]:
    """Found by the type of the column, so that a new one cannot be forgotten."""
    return [
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, EncryptedTextField)
    ]


def _again(model: type[models.Model], pk: Any, column: str, change: Callable[[str], str]) -> bool:
    """One row at a time under its lock: a secret renewed meanwhile is neither lost nor overwritten."""
    with transaction.atomic():
        row = model._default_manager.select_for_update().filter(pk=pk).first()
        token = getattr(row, column) if row else ""
        if not token:
            return True
        try:
            model._default_manager.filter(pk=pk).update(**{column: change(token)})
        except InvalidToken:
            return False
    return True
