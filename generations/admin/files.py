"""Assets and blobs: read-only, because a file belongs to the story of what made it."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat

from generations.models import Asset, Blob
from providers.admin_base import ModelAdmin, ReadOnly, display, link, pretty, when


@admin.register(Asset)
class AssetAdmin(ReadOnly, ModelAdmin):
    list_display = ["shown_name", "kind", "origin", "size", "measure", "workspace", "user", "made"]
    list_filter = [
        "kind",
        "origin",
        ("workspace", admin.RelatedOnlyFieldListFilter),
        ("deleted_at", admin.EmptyFieldListFilter),
    ]
    list_select_related = ["blob", "workspace", "user"]
    search_fields = ["id", "name", "blob__sha256", "generation__id"]
    date_hierarchy = "created_at"
    readonly_fields = ["generation_link", "blob_link", "size", "measure", "facts_text", "text_start"]
    fields = [
        ("name", "kind", "mime"), ("size", "measure"), ("origin", "role", "position"),
        ("workspace", "user"), ("generation_link", "blob_link"),
        ("created_at", "derived_at", "deleted_at"), "facts_text", "text_start",
    ]  # fmt: skip

    made = when("created_at", "Kept since")

    @display(description="Name", ordering="name")
    def shown_name(self, row: Asset) -> str:
        return row.name or str(row.pk)[:8]

    @display(description="Size", ordering="blob__bytes")
    def size(self, row: Asset) -> str:
        return filesizeformat(row.blob.bytes)

    @display(description="Measures")
    def measure(self, row: Asset) -> str:
        parts = [f"{row.width} × {row.height}" if row.width else "", f"{row.seconds:.1f} s" if row.seconds else ""]
        return ", ".join(filter(None, parts)) or "–"

    @display(description="Generation")
    def generation_link(self, row: Asset) -> str:
        return link(row.generation)

    @display(description="Bytes")
    def blob_link(self, row: Asset) -> str:
        return link(row.blob)

    @display(description="Facts")
    def facts_text(self, row: Asset) -> str:
        return pretty(row.facts)

    @display(description="Text")
    def text_start(self, row: Asset) -> str:
        return pretty((row.text or "")[:4000])


@admin.register(Blob)
class BlobAdmin(ReadOnly, ModelAdmin):
    list_display = ["sha256", "mime", "size", "uses", "made"]
    list_filter = ["mime"]
    search_fields = ["sha256", "key"]
    date_hierarchy = "created_at"

    made = when("created_at", "Kept since")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Blob]:
        return super().get_queryset(request).annotate(use_count=Count("assets"))

    @display(description="Size", ordering="bytes")
    def size(self, row: Blob) -> str:
        return filesizeformat(row.bytes)

    @display(description="Used by", ordering="use_count")
    def uses(self, row: Blob) -> int:
        return int(row.use_count)  # type: ignore[attr-defined]
