"""The site itself: commands, the REST frame, nothing with rows."""

from __future__ import annotations

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "mediagen_site"
    verbose_name = "Site"
