"""A file we keep (asset) and its bytes by SHA-256 (blob). Written by generations/assets.py."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import Workspace

from .generations import Generation

KINDS = [
    ("image", "Image"),
    ("video", "Video"),
    ("audio", "Audio"),
    ("model3d", "3D"),
    ("text", "Text"),
    ("data", "Data"),
]


class Blob(models.Model):
    sha256 = models.CharField(max_length=64, unique=True)
    bytes = models.BigIntegerField()
    mime = models.CharField(max_length=100)
    key = models.CharField(max_length=200, unique=True, help_text="Where it lies in storage.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(bytes__gte=0), name="blob_size_not_negative")]

    def __str__(self) -> str:
        return self.sha256[:12]


class AssetQuerySet(models.QuerySet["Asset"]):
    def visible_in(self, workspace: Workspace) -> AssetQuerySet:
        return self.filter(workspace=workspace, deleted_at__isnull=True)


class Asset(models.Model):
    ORIGINS = [("generated", "Generated"), ("uploaded", "Uploaded"), ("imported", "Imported")]

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="assets")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    generation = models.ForeignKey(Generation, null=True, blank=True, on_delete=models.SET_NULL, related_name="assets")
    position = models.PositiveIntegerField(default=0)
    role = models.CharField(max_length=40, default="output")
    kind = models.CharField(max_length=10, choices=KINDS)
    origin = models.CharField(max_length=10, choices=ORIGINS)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="assets")
    mime = models.CharField(max_length=100)
    name = models.CharField(max_length=200, blank=True)
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    text = models.TextField(null=True, blank=True)  # noqa: DJ001  null: not a text
    facts = models.JSONField(default=dict, blank=True)
    thumbnail = models.ForeignKey(Blob, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    derived_at = models.DateTimeField(null=True, blank=True, help_text="When thumbnail, poster, waveform were made.")
    derive_tries = models.PositiveIntegerField(default=0)
    favourite = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = AssetQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "role", "position"],
                condition=Q(generation__isnull=False),
                name="asset_place_once",
            ),
            models.CheckConstraint(condition=Q(kind__in=[key for key, _ in KINDS]), name="asset_kind_known"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="asset_library_idx"),
            models.Index(fields=["derived_at"], condition=Q(derived_at__isnull=True), name="asset_underived_idx"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.kind} {self.id}"
