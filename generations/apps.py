"""The story of one request for media, from prompt to kept file."""

from __future__ import annotations

from django.apps import AppConfig


class GenerationsConfig(AppConfig):
    name = "generations"
