"""The next thing due for each live generation, and the pulse of each cluster.

A step is one narrow row, claimed by pushing `due_at` ahead (that is its lease) and raising `lease_seq`, which fences
every later write; it goes when its generation ends.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from .generations import Generation


class Step(models.Model):
    VERBS = [
        ("submit", "Submit"),  # default cluster (built-in kinds: io)
        ("look", "Look"),  # poll cluster
        ("fetch", "Fetch"),  # io cluster
        ("settle", "Settle"),  # default cluster: an unknown outcome
    ]
    CLUSTERS = [("default", "default"), ("poll", "poll"), ("io", "io")]

    generation = models.OneToOneField(Generation, primary_key=True, on_delete=models.CASCADE, related_name="step")
    verb = models.CharField(max_length=8, choices=VERBS)
    cluster = models.CharField(max_length=8, choices=CLUSTERS)
    due_at = models.FloatField(help_text="Seconds since 1970; also the lease while claimed.")
    lease_seq = models.PositiveIntegerField(default=0)
    claimed = models.BooleanField(default=False)
    looks = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    progress = models.FloatField(null=True, blank=True)
    position = models.PositiveIntegerField(null=True, blank=True)
    note = models.CharField(max_length=400, blank=True)
    change_seq = models.BigIntegerField(default=0, help_text="Microseconds since 1970 of the last visible change.")
    watched_until = models.FloatField(default=0, help_text="Someone looks at it until then: look more often.")
    account_id = models.UUIDField(null=True, blank=True, help_text="Of the attempt being followed; for fair claims.")
    priority = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(verb__in=["submit", "look", "fetch", "settle"]), name="step_verb_known"),
            models.CheckConstraint(condition=Q(cluster__in=["default", "poll", "io"]), name="step_cluster_known"),
        ]
        indexes = [
            models.Index(fields=["cluster", "due_at"], name="step_due_idx"),
            models.Index(fields=["change_seq"], name="step_change_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.generation_id}"


class Pulse(models.Model):
    """When a cluster last did something; the supervisor reads it to notice a wedged one."""

    cluster = models.CharField(max_length=20, primary_key=True)
    at = models.FloatField(default=0)

    def __str__(self) -> str:
        return self.cluster
