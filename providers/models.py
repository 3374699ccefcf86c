"""Rows over the catalogues: what an operator may change, and what was observed. The folders stay the source.

Catalogue columns are rewritten by sync; `*_override` columns belong to the operator and win when they are not null.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

MODES = [("live", "Live"), ("simulated", "Simulated (recorded answers)"), ("mock", "Mock (made here)")]


class Provider(models.Model):
    """One adapter folder: its catalogue's identity, the operator's overrides, its health as observed."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=12, choices=[("remote", "Remote"), ("local", "Local"), ("builtin", "Built in")])
    origin = models.CharField(max_length=12, default="builtin", help_text="Where its folder was found.")
    catalogue = models.JSONField(
        default=dict, help_text="Identity, credentials, credit types, domains: as the folder says."
    )
    enabled = models.BooleanField(default=True, help_text="As the catalogue says; override below.")
    missing = models.BooleanField(default=False, help_text="Its folder is gone; history stays readable.")
    problem = models.TextField(blank=True, help_text="Why it could not be loaded.")

    enabled_override = models.BooleanField(null=True, blank=True, help_text="Empty: as the catalogue says.")
    mode_override = models.CharField(max_length=10, choices=MODES, null=True, blank=True)  # noqa: DJ001  null: the site's
    concurrency_override = models.PositiveIntegerField(null=True, blank=True, help_text="Jobs at once per account.")
    rate_override = models.PositiveIntegerField(null=True, blank=True, help_text="Requests per minute per account.")

    health = models.CharField(max_length=10, default="unknown")
    health_note = models.TextField(blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    failure_streak = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True, blank=True, help_text="Breaker: no submits before this time.")
    fuse_at = models.DateTimeField(null=True, blank=True, help_text="A session was revoked here; a person must look.")
    synced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_enabled(self) -> bool:
        wanted = self.enabled if self.enabled_override is None else self.enabled_override
        return wanted and not self.missing and not self.problem


class CapabilityQuerySet(models.QuerySet["Capability"]):
    def offered(self) -> CapabilityQuerySet:
        """What may be chosen today: switched on, present, not retired."""
        on = Q(enabled_override=True) | Q(enabled_override__isnull=True)
        provider_on = Q(provider__enabled_override=True) | Q(
            provider__enabled_override__isnull=True, provider__enabled=True
        )
        return self.filter(on, provider_on, missing=False, provider__missing=False, provider__problem="").exclude(
            lifecycle="retired"
        )


class Capability(models.Model):
    """provider × model × operation, with everything needed to show, validate, price and follow it (`spec`)."""

    LIFECYCLES = [("available", "Available"), ("deprecated", "Deprecated"), ("retired", "Retired")]

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="capabilities")
    model = models.CharField(max_length=160)
    operation = models.CharField(max_length=60)
    label = models.CharField(max_length=160)
    output_kind = models.CharField(max_length=10, help_text="Kind of its first output.")
    spec = models.JSONField(help_text="The capability as the catalogue (or discovery) gives it.")
    spec_hash = models.CharField(max_length=64)
    lifecycle = models.CharField(max_length=12, choices=LIFECYCLES, default="available")
    retires_on = models.DateField(null=True, blank=True)
    origin = models.CharField(max_length=12, default="catalogue")
    missing = models.BooleanField(default=False, help_text="No longer in the catalogue.")
    position = models.PositiveIntegerField(default=0)

    enabled_override = models.BooleanField(null=True, blank=True)
    label_override = models.CharField(max_length=160, blank=True)
    price_override = models.JSONField(null=True, blank=True, help_text="A price rule in place of the catalogue's.")

    objects = CapabilityQuerySet.as_manager()

    class Meta:
        ordering = ["provider__name", "position", "model", "operation"]
        verbose_name_plural = "capabilities"
        constraints = [
            models.UniqueConstraint(fields=["provider", "model", "operation"], name="capability_once"),
            models.CheckConstraint(
                condition=Q(lifecycle__in=["available", "deprecated", "retired"]), name="capability_lifecycle_known"
            ),
        ]
        indexes = [models.Index(fields=["operation", "lifecycle"], name="capability_picker_idx")]

    def __str__(self) -> str:
        return f"{self.model_id} {self.operation}"

    @property
    def model_id(self) -> str:
        return f"{self.provider.slug}/{self.model}"

    @property
    def effective_spec(self) -> dict[str, Any]:
        """The catalogue's spec with the operator's label and price laid over it."""
        over = {"label": self.label_override, "price": self.price_override}
        return {**self.spec, **{name: value for name, value in over.items() if value}}


class RateBucket(models.Model):
    """Requests per minute of one account (or provider), shared by every process: a token bucket in one row."""

    key = models.CharField(max_length=120, primary_key=True)
    tokens = models.FloatField(default=0)
    updated_at = models.FloatField(default=0, help_text="Seconds since 1970.")

    def __str__(self) -> str:
        return self.key
