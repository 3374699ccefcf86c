"""Pools of one credit type, their immutable entries, and what a provider's unit is worth in wallet credits.

Only accounts/ledger.py writes pools and entries. Amounts are integers of one millionth of a credit (micros).
"""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

from providers.models import Provider

from .logins import ProviderAccount
from .workspaces import Workspace

MICROS = 1_000_000


class Pool(models.Model):
    """A workspace's wallet, or one credit type of an account. `balance` null: unknown or unlimited (accounts only)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.OneToOneField(Workspace, null=True, blank=True, on_delete=models.PROTECT, related_name="wallet")
    account = models.ForeignKey(ProviderAccount, null=True, blank=True, on_delete=models.CASCADE, related_name="pools")
    credit_type = models.CharField(max_length=40, default="credit")
    balance = models.BigIntegerField(null=True, blank=True, help_text="In micros; cached, equal to the sum of entries.")
    held = models.BigIntegerField(default=0, help_text="In micros, set aside for work under way.")
    unlimited = models.BooleanField(default=False)
    synced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(workspace__isnull=True, account__isnull=False)
                | Q(workspace__isnull=False, account__isnull=True),
                name="pool_one_holder",
            ),
            models.CheckConstraint(condition=Q(held__gte=0), name="pool_held_not_negative"),
            models.CheckConstraint(
                condition=Q(workspace__isnull=True) | Q(balance__isnull=False, balance__gte=F("held")),
                name="pool_wallet_covers_holds",
            ),
            models.UniqueConstraint(fields=["account", "credit_type"], name="pool_account_type_once"),
        ]

    def __str__(self) -> str:
        return f"{self.credit_type} of {self.workspace or self.account}"


class Entry(models.Model):
    """One line of a pool's ledger: what moved, and where that left it. Never changed, never deleted."""

    KINDS = [
        ("grant", "Grant"),  # balance up
        ("hold", "Hold"),  # held up
        ("capture", "Capture"),  # balance down, held down
        ("release", "Release"),  # held down
        ("refund", "Refund"),  # balance up, after a capture
        ("adjust", "Adjustment"),  # balance either way, by a person with a reason
        ("sync", "Sync"),  # balance either way, to what the provider says
    ]

    id = models.BigAutoField(primary_key=True)
    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="entries")
    kind = models.CharField(max_length=8, choices=KINDS)
    amount = models.BigIntegerField(help_text="Change of the balance, in micros.")
    held_change = models.BigIntegerField(default=0)
    balance_after = models.BigIntegerField(null=True, blank=True)
    held_after = models.BigIntegerField()
    key = models.CharField(max_length=120, help_text="Makes repeating a verb harmless.")
    reference = models.UUIDField(null=True, blank=True, help_text="The generation or attempt it is for.")
    note = models.CharField(max_length=400, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(fields=["pool", "key"], name="entry_key_once"),
            models.CheckConstraint(
                condition=Q(kind__in=["grant", "hold", "capture", "release", "refund", "adjust", "sync"]),
                name="entry_kind_known",
            ),
            models.CheckConstraint(
                condition=~Q(amount=0, held_change=0) | Q(kind="sync") | Q(kind="capture"), name="entry_moves_something"
            ),
            models.CheckConstraint(
                condition=Q(kind="hold", amount=0, held_change__gt=0)
                | Q(kind="release", amount=0, held_change__lt=0)
                | Q(kind="capture", amount__lte=0, held_change__lte=0)
                | Q(kind__in=["grant", "refund"], amount__gt=0, held_change=0)
                | Q(kind__in=["adjust", "sync"], held_change=0),
                name="entry_signs",
            ),
        ]
        indexes = [
            models.Index(fields=["pool", "-id"], name="entry_statement_idx"),
            models.Index(fields=["reference"], name="entry_reference_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Exchange(models.Model):
    """What one unit of a provider's credit type costs in wallet credits; without a row the catalogue's figure holds."""

    provider = models.ForeignKey(
        Provider, null=True, blank=True, on_delete=models.CASCADE, help_text="Empty: every provider."
    )
    credit_type = models.CharField(max_length=40)
    credits = models.DecimalField(max_digits=18, decimal_places=6, validators=[MinValueValidator(Decimal(0))])
    markup_percent = models.DecimalField(max_digits=7, decimal_places=2, default=Decimal(0))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "credit_type"], nulls_distinct=False, name="exchange_once"),
            models.CheckConstraint(condition=Q(credits__gte=0), name="exchange_not_negative"),
            models.CheckConstraint(condition=Q(markup_percent__gte=-100), name="exchange_markup_floor"),
        ]

    def __str__(self) -> str:
        return f"{self.credit_type} = {self.credits} credits"
