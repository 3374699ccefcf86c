"""/api/v1/: what needs no workspace."""

from __future__ import annotations

from django.urls import path

from . import api

urlpatterns = [
    path("operations", api.Operations.as_view(), name="operations"),
    path("providers/detect", api.Detect.as_view(), name="providers-detect"),
]
