"""Logins at providers: the account, its encrypted credentials, and the slots being used (leases)."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.encryption import EncryptedTextField
from providers.models import Provider

from .workspaces import Workspace


class ProviderAccountQuerySet(models.QuerySet["ProviderAccount"]):
    def usable_by(self, workspace: Workspace) -> ProviderAccountQuerySet:
        """Site-wide ones and the workspace's own."""
        return self.filter(Q(workspace=workspace) | Q(workspace__isnull=True))


class ProviderAccount(models.Model):
    """A login at a provider, site-wide (workspace null, managed by staff) or private to a workspace."""

    STATUSES = [
        ("active", "Active"),  # may serve, unless cooling down
        ("exhausted", "Out of credits"),  # back by sync
        ("auth_required", "Needs signing in"),  # back when a person renews the credential
        ("blocked", "Blocked by the provider"),  # back by a successful probe
        ("disabled", "Switched off"),  # back when a person switches it on
    ]
    ORIGINS = [("manual", "Entered"), ("environment", "Environment"), ("capture", "Browser"), ("builtin", "Built in")]

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="accounts")
    workspace = models.ForeignKey(Workspace, null=True, blank=True, on_delete=models.CASCADE, related_name="accounts")
    label = models.CharField(max_length=120)
    external_id = models.CharField(max_length=200, blank=True, help_text="The provider's own id of this login.")
    email = models.EmailField(blank=True)
    plan = models.CharField(max_length=60, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    base_url = models.URLField(blank=True, help_text="In place of the catalogue's address, for a relay.")
    api_version = models.CharField(max_length=40, blank=True)
    origin = models.CharField(max_length=12, choices=ORIGINS, default="manual")

    status = models.CharField(max_length=14, choices=STATUSES, default="active")
    status_reason = models.TextField(blank=True)
    cooldown_until = models.DateTimeField(null=True, blank=True)
    failure_streak = models.PositiveIntegerField(default=0)
    priority = models.IntegerField(default=0, help_text="Higher is preferred.")
    max_concurrency = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: the catalogue's figure.")
    last_used_at = models.DateTimeField(null=True, blank=True)
    inspected_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = ProviderAccountQuerySet.as_manager()

    class Meta:
        ordering = ["provider__name", "label"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "workspace", "external_id"],
                condition=~Q(external_id="") & Q(deleted_at__isnull=True),
                name="account_login_once",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["provider"],
                condition=Q(origin="environment", deleted_at__isnull=True),
                name="account_environment_once",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["active", "exhausted", "auth_required", "blocked", "disabled"]),
                name="account_status_known",
            ),
            models.CheckConstraint(
                condition=~Q(origin="environment") | Q(workspace__isnull=True), name="account_environment_is_site_wide"
            ),
        ]
        indexes = [models.Index(fields=["provider", "status"], name="account_choosing_idx")]

    def __str__(self) -> str:
        return f"{self.label} at {self.provider}"

    @property
    def is_cooling(self) -> bool:
        return self.cooldown_until is not None and self.cooldown_until > timezone.now()


class Credential(models.Model):
    """One secret field of an account: a ciphertext, or (site-wide only) a reference resolved at the call."""

    account = models.ForeignKey(ProviderAccount, on_delete=models.CASCADE, related_name="credentials")
    name = models.CharField(max_length=60)
    ciphertext = EncryptedTextField(blank=True)
    reference = models.CharField(
        max_length=200, blank=True, help_text="env:NAME or file:/path, for site-wide accounts."
    )
    last4 = models.CharField(max_length=4, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="credential_once"),
            models.CheckConstraint(condition=Q(ciphertext="") | Q(reference=""), name="credential_value_or_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.account}"


class Lease(models.Model):
    """A slot on an account for one attempt. The slot's number is unique per account, so the limit holds by itself."""

    account = models.ForeignKey(ProviderAccount, on_delete=models.CASCADE, related_name="leases")
    attempt = models.UUIDField(unique=True, help_text="The attempt it serves.")
    slot = models.PositiveIntegerField()
    operation = models.CharField(max_length=60, blank=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "slot"], name="lease_slot_once")]
        indexes = [models.Index(fields=["expires_at"], name="lease_expiry_idx")]

    def __str__(self) -> str:
        return f"slot {self.slot} of {self.account_id}"
