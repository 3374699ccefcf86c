"""What is due, what happened, and the clusters' signs of life: read-only, for finding out why something waits."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib import admin
from django.utils import timezone
from django.utils.timesince import timesince, timeuntil

from generations.models import Event, Pulse, Step
from providers.admin_base import ModelAdmin, ReadOnly, display, link, pretty, when

FAR = 2**33  # later than any real time: what is paused has no due time


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@admin.register(Step)
class StepAdmin(ReadOnly, ModelAdmin):
    list_display = ["generation_link", "verb", "cluster", "due", "claimed", "looks", "errors", "progress", "note"]
    list_display_links = ["verb"]
    list_filter = ["verb", "cluster", "claimed"]
    list_select_related = ["generation"]
    search_fields = ["generation__id", "note"]
    ordering = ["due_at"]
    readonly_fields = ["generation_link", "due"]
    fields = [
        ("generation_link", "verb", "cluster"),
        ("due", "claimed", "lease_seq"),
        ("looks", "errors"),
        ("progress", "position"),
        "note",
    ]

    @display(description="Generation")
    def generation_link(self, row: Step) -> str:
        return link(row.generation, row.generation.prompt[:60])

    @display(description="Due", ordering="due_at")
    def due(self, row: Step) -> str:
        if row.due_at > FAR:
            return "when someone resumes it"
        when, now = moment(row.due_at), timezone.now()
        return f"in {timeuntil(when, now)}" if when > now else f"{timesince(when, now)} ago"


@admin.register(Event)
class EventAdmin(ReadOnly, ModelAdmin):
    list_display = ["time", "kind", "status", "generation_link", "workspace"]
    list_filter = ["kind", "status"]
    list_select_related = ["generation", "workspace"]
    search_fields = ["generation__id"]
    date_hierarchy = "at"
    ordering = ["-id"]
    readonly_fields = ["data_text", "generation_link"]
    time = when("at", "When")
    fields = [("at", "kind", "status"), ("generation_link", "workspace"), "data_text"]

    @display(description="Generation")
    def generation_link(self, row: Event) -> str:
        return link(row.generation, row.generation.prompt[:60])

    @display(description="What it says")
    def data_text(self, row: Event) -> str:
        return pretty(row.data)


@admin.register(Pulse)
class PulseAdmin(ReadOnly, ModelAdmin):
    list_display = ["cluster", "last_sign"]
    readonly_fields = ["last_sign"]
    fields = ["cluster", "last_sign"]

    @display(description="Last sign of life", ordering="at")
    def last_sign(self, row: Pulse) -> str:
        return f"{timesince(moment(row.at), timezone.now())} ago" if row.at else "never"
