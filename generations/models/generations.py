"""One request for media (generation), its inputs, and each try of it at one account (attempt).

Status and state are written only by generations/lifecycle.py.
"""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import ApiKey, ProviderAccount, Workspace
from providers.models import MODES, Capability


class Status(models.TextChoices):
    QUEUED = "queued", "Queued"  # waits for an account and a worker
    PAUSED = "paused", "Paused"  # waits for a person
    SUBMITTING = "submitting", "Submitting"  # an attempt is sending, or its outcome is unknown
    RUNNING = "running", "Running"  # the provider works on it
    FINALIZING = "finalizing", "Finalizing"  # results are fetched, checked and kept
    SUCCEEDED = "succeeded", "Done"
    FAILED = "failed", "Failed"
    FILTERED = "filtered", "Filtered"
    CANCELLED = "cancelled", "Cancelled"


LIVE = (Status.QUEUED, Status.PAUSED, Status.SUBMITTING, Status.RUNNING, Status.FINALIZING)
TERMINAL = (Status.SUCCEEDED, Status.FAILED, Status.FILTERED, Status.CANCELLED)


class State(models.TextChoices):
    SENDING = "sending", "Sending"  # committed before the call; the answer is not known yet
    UNKNOWN = "unknown", "Unknown"  # the answer was lost; never repeated blindly
    ACCEPTED = "accepted", "Accepted"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    FILTERED = "filtered", "Filtered"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"  # our deadline passed; the provider's verdict may still come
    ABANDONED = "abandoned", "Abandoned"  # a person decided it never arrived


OPEN = (State.SENDING, State.UNKNOWN, State.ACCEPTED)


class GenerationQuerySet(models.QuerySet["Generation"]):
    def visible_in(self, workspace: Workspace) -> GenerationQuerySet:
        """The tenant filter: everything shown or changed goes through it."""
        return self.filter(workspace=workspace, deleted_at__isnull=True)

    def with_parts(self) -> GenerationQuerySet:
        """All a card or an API row reads, without a query per row."""
        return self.select_related("capability__provider", "step", "user").prefetch_related(
            "inputs__asset", "assets__blob", "assets__thumbnail"
        )


class Generation(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="generations")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="generations")
    api_key = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    capability = models.ForeignKey(Capability, on_delete=models.PROTECT, related_name="generations")
    operation = models.CharField(max_length=60)
    output_kind = models.CharField(max_length=10)
    prompt = models.TextField(blank=True, help_text="params.prompt, for search and cards.")
    params = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict, blank=True)
    mode = models.CharField(max_length=10, choices=MODES)
    priority = models.IntegerField(default=0)
    pinned = models.ForeignKey(ProviderAccount, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    fallbacks = models.JSONField(default=list, blank=True, help_text="Model ids to turn to when this one cannot serve.")

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    unknown = models.BooleanField(default=False, help_text="The answer to its submit was lost; being settled.")
    note = models.CharField(max_length=400, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    retryable = models.BooleanField(default=False)
    retries = models.PositiveIntegerField(default=0, help_text="Automatic retries used.")

    quote = models.JSONField(default=dict, help_text="What was shown: amount, lines, price version.")
    quoted_micros = models.BigIntegerField(default=0)
    held_micros = models.BigIntegerField(default=0)
    charged_micros = models.BigIntegerField(null=True, blank=True)
    receipt = models.JSONField(null=True, blank=True)

    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001  null: not given
    body_hash = models.CharField(max_length=64, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True, help_text="Params, input hashes and capability.")
    retry_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="retried_as")
    webhook_url = models.URLField(max_length=500, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True, help_text="Of waiting in the queue.")
    expected_seconds = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = GenerationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="generation_key_once",
            ),
            models.CheckConstraint(condition=Q(status__in=[*Status.values]), name="generation_status_known"),
            models.CheckConstraint(
                condition=Q(status__in=[*LIVE], finished_at__isnull=True)
                | Q(status__in=[*TERMINAL], finished_at__isnull=False),
                name="generation_finished_when_terminal",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[*TERMINAL]) | Q(charged_micros__isnull=False),
                name="generation_terminal_has_charge",
            ),
            models.CheckConstraint(
                condition=Q(unknown=False) | Q(status="submitting"), name="generation_unknown_is_submitting"
            ),
            models.CheckConstraint(
                condition=Q(held_micros__gte=0, quoted_micros__gte=0), name="generation_money_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(charged_micros__isnull=True) | Q(charged_micros__gte=0),
                name="generation_charge_not_negative",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="generation_feed_idx"),
            models.Index(fields=["status"], condition=Q(status__in=[*LIVE]), name="generation_live_idx"),
            models.Index(fields=["capability", "-finished_at"], name="generation_history_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.id}"

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


class GenerationInput(models.Model):
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="inputs")
    role = models.CharField(max_length=40)
    position = models.PositiveIntegerField(default=0)
    asset = models.ForeignKey("generations.Asset", on_delete=models.PROTECT, related_name="used_in")

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["generation", "role", "position"], name="input_place_once")]

    def __str__(self) -> str:
        return f"{self.role} of {self.generation_id}"


def new_token() -> str:
    return secrets.token_urlsafe(24)


class Attempt(models.Model):
    """One try at one account; the row is committed before the call. Its id is the reference a provider may be sent."""

    CHARGED = [("yes", "Yes"), ("no", "No"), ("unknown", "Not known")]

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    capability = models.ForeignKey(Capability, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(ProviderAccount, null=True, on_delete=models.PROTECT, related_name="attempts")
    decision = models.JSONField(default=dict, help_text="Why this account: candidates, scores, exclusions.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.SENDING)
    remote_id = models.CharField(max_length=600, blank=True)
    remote_digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of remote_id, for look-ups.")
    memo = models.JSONField(default=dict, blank=True)
    outputs = models.JSONField(
        default=list, blank=True, help_text="Where its results are, kept before they are fetched."
    )
    usage = models.JSONField(default=dict, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    vendor_code = models.CharField(max_length=120, blank=True)
    charged = models.CharField(max_length=8, choices=CHARGED, default="unknown")
    cost_micros = models.BigIntegerField(
        null=True, blank=True, help_text="Captured on the account, in its credit type."
    )
    credit_type = models.CharField(max_length=40, blank=True)
    callback_token = models.CharField(max_length=64, unique=True, default=new_token)
    strikes = models.PositiveIntegerField(default=0, help_text="Looks in a row that made no sense.")
    struck_at = models.DateTimeField(null=True, blank=True, help_text="First of these looks.")
    cancel_asked_at = models.DateTimeField(null=True, blank=True, help_text="When the provider was asked to cancel.")
    deadline_at = models.DateTimeField(null=True, blank=True)
    late_look_at = models.DateTimeField(null=True, blank=True, help_text="First look after its deadline.")
    created_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["generation", "number"], name="attempt_number_once"),
            models.UniqueConstraint(fields=["generation"], condition=Q(state__in=[*OPEN]), name="attempt_one_open"),
            models.UniqueConstraint(
                fields=["account", "remote_digest"], condition=~Q(remote_digest=""), name="attempt_remote_once"
            ),
            models.CheckConstraint(condition=Q(state__in=[*State.values]), name="attempt_state_known"),
            models.CheckConstraint(condition=Q(charged__in=["yes", "no", "unknown"]), name="attempt_charged_known"),
        ]
        indexes = [models.Index(fields=["capability", "-finished_at"], name="attempt_history_idx")]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.generation_id}"

    @property
    def facts(self) -> dict[str, Any]:
        return {"attempt": str(self.pk), "number": self.number, "account": self.account.label if self.account else None}
