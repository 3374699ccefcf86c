"""The append-only story of each generation: feeds live updates and the timeline."""

from __future__ import annotations

from django.db import models

from accounts.models import Workspace

from .generations import Generation


class Event(models.Model):
    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=40, help_text="status, attempt, note, derived …")
    status = models.CharField(max_length=12, blank=True, help_text="The generation's status after it.")
    data = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["generation", "id"], name="event_timeline_idx"),
            models.Index(fields=["workspace", "id"], name="event_feed_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.status}"
