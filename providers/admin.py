"""Providers and capabilities in the admin: the catalogue read-only, the operator's overrides, breakers and fuses."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from . import pricing, repricing
from .admin_base import ModelAdmin, ReadOnly, TextareaWidget, action, ask, display, link, pretty
from .catalogue_types import Capability as Spec
from .errors import CatalogueError
from .loaded import registry
from .models import Capability, Provider, RateBucket

PROBLEM = "Why it could not be loaded"
STATES = {"On": "success", "Off": "info", "Broken": "danger", "Gone": "warning"}
HEALTH = {"ok": "success", "degraded": "warning", "down": "danger"}
LIFECYCLES = {"Available": "success", "Deprecated": "warning", "Retired": "danger"}


def _state(row: Provider) -> str:
    return "Broken" if row.problem else "Gone" if row.missing else "On" if row.is_enabled else "Off"


@admin.register(Provider)
class ProviderAdmin(ModelAdmin):
    list_display = [
        "name",
        "slug",
        "kind",
        "state",
        "mode_override",
        "shown_health",
        "breaker",
        "capability_count",
        "checked",
    ]
    list_filter = ["kind", "origin", "health", "missing"]
    search_fields = ["name", "slug"]
    list_before_template = "admin/broken_adapters.html"
    actions = ["close_breakers"]
    actions_detail = ["reset_breaker", "reset_fuse"]
    readonly_fields = [
        "slug", "name", "kind", "origin", "enabled", "missing", "traceback", "health", "health_note", "failure_streak", "open_until",
        "fuse_at", "checked_at", "synced_at", "description", "website", "docs", "checked", "accounts_needed", "billing", "whole",
    ]  # fmt: skip
    fieldsets = [
        ("What you may change", {"fields": [("enabled_override", "mode_override"), ("concurrency_override", "rate_override")]}),
        ("How it does", {"fields": [("health", "failure_streak"), "health_note", ("open_until", "fuse_at"), "checked_at"]}),
        (PROBLEM, {"fields": ["traceback"]}),
        (
            "What its folder says",
            {
                "description": "Read from catalogue.yaml at each start; change it there.",
                "fields": [
                    ("slug", "name"), ("kind", "origin"), ("enabled", "missing"), "description", ("website", "docs"),
                    ("checked", "synced_at"), "accounts_needed", "billing", "whole",
                ],
            },
        ),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        return (
            super().get_queryset(request).annotate(offered=Count("capabilities", filter=Q(capabilities__missing=False)))
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        broken = bool(obj and obj.problem)
        return [row for row in self.fieldsets if broken or row[0] != PROBLEM]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "broken_adapters": registry.broken()})

    @display(description="State", label=STATES)
    def state(self, row: Provider) -> str:
        return _state(row)

    @display(description="Health", label=HEALTH, ordering="health")
    def shown_health(self, row: Provider) -> str:
        return row.health

    @display(description="Breaker")
    def breaker(self, row: Provider) -> str:
        if row.fuse_at:
            return "fuse blown"
        return (
            f"open until {row.open_until:%H:%M:%S}" if row.open_until and row.open_until > timezone.now() else "closed"
        )

    @display(description="Models × operations", ordering="offered")
    def capability_count(self, row: Any) -> int:
        return int(row.offered)

    @display(description="Facts checked")
    def checked(self, row: Provider) -> str:
        return row.catalogue.get("checked") or "–"

    @display(description="What it is")
    def description(self, row: Provider) -> str:
        return row.catalogue.get("description") or "–"

    @display(description="Website")
    def website(self, row: Provider) -> str:
        return row.catalogue.get("website") or "–"

    @display(description="Documentation")
    def docs(self, row: Provider) -> str:
        return row.catalogue.get("docs") or "–"

    @display(description="What an account needs")
    def accounts_needed(self, row: Provider) -> str:
        fields = row.catalogue.get("credentials", [])
        return (
            ", ".join(f"{item['label']} ({' or '.join(item['env']) or 'no variable'})" for item in fields) or "Nothing."
        )

    @display(description="What it bills in")
    def billing(self, row: Provider) -> str:
        return (
            ", ".join(
                f"{item['label']} (1 = {item['credits']} credits)" for item in row.catalogue.get("credit_types", [])
            )
            or "Nothing."
        )

    @display(description="Catalogue")
    def whole(self, row: Provider) -> str:
        return pretty(row.catalogue)

    @display(description="Traceback")
    def traceback(self, row: Provider) -> str:
        return pretty(row.problem)

    @action(description="Close the breaker", icon="restart_alt", permissions=["change"])
    def reset_breaker(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return ask(
            self, request, object_id, title="Close the breaker", button="Close it", run=_close_breaker,
            text="Submits start again at once, and the count of failures in a row starts from nothing.",
        )  # fmt: skip

    @action(description="Reset the fuse", icon="electric_bolt", permissions=["change"])
    def reset_fuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return ask(
            self, request, object_id, title="Reset the fuse", button="I have looked; go on", run=_reset_fuse,
            text="A captured session was revoked here. Find out why before you let other captured sessions be used again.",
        )  # fmt: skip

    @admin.action(description="Close the breakers of the selected", permissions=["change"])
    def close_breakers(self, request: HttpRequest, chosen: QuerySet[Provider]) -> None:
        count = chosen.update(open_until=None, failure_streak=0)
        self.message_user(request, f"Breakers closed: {count}.")


def _close_breaker(row: Provider, data: dict[str, Any]) -> str:
    Provider.objects.filter(pk=row.pk).update(open_until=None, failure_streak=0, health="unknown", health_note="")
    return f"{row.name}: the breaker is closed."


def _reset_fuse(row: Provider, data: dict[str, Any]) -> str:
    Provider.objects.filter(pk=row.pk).update(fuse_at=None, health="unknown", health_note="")
    return f"{row.name}: captured accounts may serve again."


class RuleField(forms.JSONField):
    """Empty when there is none, instead of the word null."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class CapabilityForm(forms.ModelForm):  # type: ignore[type-arg]
    price_override = RuleField(
        required=False,
        widget=TextareaWidget(attrs={"rows": 5, "spellcheck": "false"}),
        help_text='In the provider\'s credits, like {"kind": "per_second", "rate": "0.05"}. Empty: as the catalogue says.',
    )

    class Meta:
        model = Capability
        fields = ["enabled_override", "label_override", "price_override"]
        help_texts = {
            "enabled_override": "Unknown: as the catalogue says.",
            "label_override": "Empty: as the catalogue says.",
        }

    def clean_price_override(self) -> Any:
        rule = self.cleaned_data["price_override"]
        if rule is None:
            return None
        try:
            return repricing.read(self.instance, rule)
        except CatalogueError as error:
            raise forms.ValidationError(str(error).splitlines()) from None


@admin.register(Capability)
class CapabilityAdmin(ModelAdmin):
    form = CapabilityForm
    list_display = ["label", "model_id", "operation", "output_kind", "shown_lifecycle", "price", "switched"]
    list_filter = ["provider", "output_kind", "operation", "lifecycle", "missing", "enabled_override"]
    list_select_related = ["provider"]
    search_fields = ["label", "model", "operation", "provider__name", "provider__slug"]
    actions = ["switch_on", "switch_off", "as_catalogue"]
    readonly_fields = [
        "provider_link", "model_id", "operation", "label", "output_kind", "lifecycle", "retires_on", "replaced_by", "origin", "missing",
        "price", "catalogue_price", "spec_text",
    ]  # fmt: skip
    fieldsets = [
        ("What you may change", {"fields": ["enabled_override", "label_override", "price_override", "price"]}),
        (
            "What the catalogue says",
            {
                "fields": [
                    ("provider_link", "model_id"), ("operation", "output_kind"), "label", ("lifecycle", "retires_on", "replaced_by"),
                    ("origin", "missing"), "catalogue_price", "spec_text",
                ]
            },
        ),
    ]  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="Provider")
    def provider_link(self, row: Capability) -> str:
        return link(row.provider)

    @display(description="Life-cycle", label=LIFECYCLES, ordering="lifecycle")
    def shown_lifecycle(self, row: Capability) -> str:
        return row.get_lifecycle_display()

    @display(description="Replaced by")
    def replaced_by(self, row: Capability) -> str:
        return row.spec.get("lifecycle", {}).get("replaced_by") or "–"

    @display(description="Usual price", ordering="provider__name")
    def price(self, row: Capability) -> str:
        """In the provider's own credits; a star marks the operator's price."""
        found = pricing.typical(Spec.from_dict(row.effective_spec))
        star = " ★" if row.price_override else ""
        if not found.amount:
            return f"free{star}"
        return f"{'' if found.exact else 'up to '}{found.amount.normalize():f} {found.credit_type}{star}"

    @display(description="The catalogue's price rule")
    def catalogue_price(self, row: Capability) -> str:
        return pretty(row.spec.get("price"))

    @display(description="Everything it says")
    def spec_text(self, row: Capability) -> str:
        return pretty(row.spec)

    @display(description="Offered", label={"Yes": "success", "Off": "info", "Gone": "warning"})
    def switched(self, row: Capability) -> str:
        return "Gone" if row.missing else "Off" if row.enabled_override is False else "Yes"

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, chosen: QuerySet[Capability]) -> None:
        self.message_user(request, f"Switched on: {chosen.update(enabled_override=True)}.")

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, chosen: QuerySet[Capability]) -> None:
        self.message_user(request, f"Switched off: {chosen.update(enabled_override=False)}.")

    @admin.action(description="As the catalogue says", permissions=["change"])
    def as_catalogue(self, request: HttpRequest, chosen: QuerySet[Capability]) -> None:
        count = chosen.update(enabled_override=None, label_override="", price_override=None)
        self.message_user(request, f"Overrides removed: {count}.")


@admin.register(RateBucket)
class RateBucketAdmin(ReadOnly, ModelAdmin):
    list_display = ["key", "tokens", "updated_at"]
    search_fields = ["key"]
