"""Accounts at providers. A secret goes in and is never shown; its last four characters tell it from another."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join

from accounts import tending
from accounts.errors import Refused
from accounts.models import Credential, Lease, Pool, ProviderAccount
from providers.admin_base import Form, ModelAdmin, ReadOnly, TabularInline, action, ask, display, money, pretty, when

from .credentials import CredentialInline, store

STATUSES = {
    "Active": "success",
    "Resting": "info",
    "Out of credits": "warning",
    "Needs signing in": "danger",
    "Blocked by the provider": "danger",
    "Switched off": "",
    "Removed": "",
}


class PoolInline(ReadOnly, TabularInline):
    model = Pool
    verbose_name_plural = "balances at the provider"
    fields = ["credit_type", "shown_balance", "shown_held", "unlimited", "synced_at"]
    readonly_fields = fields
    show_change_link = True

    @display(description="Balance")
    def shown_balance(self, row: Pool) -> str:
        return money(row.balance)

    @display(description="Held")
    def shown_held(self, row: Pool) -> str:
        return money(row.held)


class LeaseInline(ReadOnly, TabularInline):
    model = Lease
    verbose_name_plural = "jobs it works on now"
    fields = ["slot", "operation", "attempt", "expires_at"]
    readonly_fields = fields


class ReasonForm(Form):
    reason = forms.CharField(max_length=400, help_text="Shown beside the account.")


@admin.register(ProviderAccount)
class ProviderAccountAdmin(ModelAdmin):
    list_display = ["label", "provider", "holder", "shown_status", "balances", "places", "priority", "used"]
    list_filter = [
        "provider",
        "status",
        "origin",
        ("workspace", admin.EmptyFieldListFilter),
        ("deleted_at", admin.EmptyFieldListFilter),
    ]
    list_select_related = ["provider", "workspace"]
    search_fields = ["label", "email", "external_id", "provider__name", "workspace__slug"]
    autocomplete_fields = ["workspace"]
    inlines = [CredentialInline, PoolInline, LeaseInline]
    actions = ["switch_on_chosen", "switch_off_chosen", "end_cooldowns"]
    actions_detail = ["probe", "switch_on", "switch_off", "end_cooldown", "remove"]
    readonly_fields = [
        "status", "status_reason", "cooldown_until", "failure_streak", "last_used_at", "inspected_at", "origin", "facts_text", "created_by",
        "created_at", "deleted_at",
    ]  # fmt: skip
    fieldsets = [
        (None, {"fields": [("provider", "workspace"), ("label", "priority"), ("email", "external_id"), ("plan", "max_concurrency")]}),
        ("For a relay", {"fields": [("base_url", "api_version")], "description": "Only when the provider is reached at another address."}),
        (
            "How it stands",
            {"fields": [("status", "cooldown_until"), "status_reason", ("failure_streak", "last_used_at", "inspected_at"), "facts_text"]},
        ),
        ("Where it came from", {"fields": [("origin", "created_by"), ("created_at", "deleted_at")]}),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderAccount]:
        return super().get_queryset(request).prefetch_related("pools", "leases")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = ["provider", "workspace"] if obj else []  # its secrets were given for this provider and these people
        return [*self.readonly_fields, *fixed]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.created_by = obj.created_by or request.user
        super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Secrets go through the one function that stores them."""
        if formset.model is not Credential:
            super().save_formset(request, form, formset, change)
            return
        formset.save(commit=False)
        for row in formset.deleted_objects:
            row.delete()
        for one in formset.forms:
            if one.has_changed() and one not in formset.deleted_forms:
                store(form.instance, one.cleaned_data, one.initial.get("name"))
        if formset.changed_objects or formset.new_objects:
            tending.renewed(form.instance)

    used = when("last_used_at", "Last used")

    @display(description="For", ordering="workspace")
    def holder(self, row: ProviderAccount) -> str:
        return str(row.workspace) if row.workspace else "everyone"

    @display(description="Status", label=STATUSES, ordering="status")
    def shown_status(self, row: ProviderAccount) -> str:
        if row.deleted_at:
            return "Removed"
        return "Resting" if row.status == "active" and row.is_cooling else row.get_status_display()

    @display(description="Balances")
    def balances(self, row: ProviderAccount) -> str:
        told = [pool for pool in row.pools.all() if pool.unlimited or pool.balance is not None]
        return (
            format_html_join(
                " · ", "{} {}", (("∞" if pool.unlimited else money(pool.balance), pool.credit_type) for pool in told)
            )
            or "not told"
        )

    @display(description="At work")
    def places(self, row: ProviderAccount) -> int:
        return sum(lease.expires_at > timezone.now() for lease in row.leases.all())

    @display(description="What the provider told")
    def facts_text(self, row: ProviderAccount) -> str:
        return pretty(row.facts)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only what could be done to it as it stands."""
        row = self.get_object(request, str(object_id))
        possible = _possible(row) if row else set()
        return [item for item in super().get_actions_detail(request, object_id) if item.path in possible]

    # -- actions ---------------------------------------------------------------------------------------------------------
    @action(description="Ask the provider", icon="stethoscope", permissions=["change"])
    def probe(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return ask(
            self, request, object_id, title="Ask the provider", button="Ask", run=_probe, refusals=(Refused,),
            text="Checks the credentials with one free request where the provider offers one, and reads balances and plan.",
        )  # fmt: skip

    @action(description="Switch on", icon="toggle_on", permissions=["change"])
    def switch_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return ask(
            self, request, object_id, title="Switch on", button="Switch on", run=_switch_on,
            text="It may serve again at once, whatever stopped it. If the cause remains, the next job stops it again.",
        )  # fmt: skip

    @action(description="Switch off", icon="toggle_off", permissions=["change"])
    def switch_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return ask(
            self, request, object_id, title="Switch off", button="Switch off", run=_switch_off, form=ReasonForm,
            text="It gets no new jobs. What it works on now goes on to its end.",
        )  # fmt: skip

    @action(description="End its rest", icon="timer_off", permissions=["change"])
    def end_cooldown(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return ask(
            self,
            request,
            object_id,
            title="End its rest",
            button="End it",
            run=_end_cooldown,
            text="It may serve again at once.",
        )

    @action(description="Remove", icon="delete", permissions=["change"])
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return ask(
            self, request, object_id, title="Remove this account", button="Remove", run=_remove, refusals=(Refused,), danger=True,
            text="Its secrets are erased for good and it serves nothing any more. What it did stays readable.",
        )  # fmt: skip

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on_chosen(self, request: HttpRequest, chosen: QuerySet[ProviderAccount]) -> None:
        for row in chosen.filter(deleted_at=None):
            tending.switch_on(row)
        self.message_user(request, f"Switched on: {len(chosen)}.")

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off_chosen(self, request: HttpRequest, chosen: QuerySet[ProviderAccount]) -> None:
        for row in chosen:
            tending.switch_off(row, reason=f"Switched off by {request.user}.")
        self.message_user(request, f"Switched off: {len(chosen)}.")

    @admin.action(description="End their rest", permissions=["change"])
    def end_cooldowns(self, request: HttpRequest, chosen: QuerySet[ProviderAccount]) -> None:
        for row in chosen:
            tending.end_cooldown(row)
        self.message_user(request, f"Rests ended: {len(chosen)}.")


def _possible(row: ProviderAccount) -> set[str]:
    if row.deleted_at:
        return set()
    switch = "switch_on" if row.status != "active" else "switch_off"
    return {"probe", switch, "remove", *(["end_cooldown"] if row.is_cooling else [])}


def _probe(row: ProviderAccount, data: dict[str, Any]) -> str:
    found = tending.inspect(row)
    return f"{row.label}: {found.note or ('all is well.' if found.ok else 'it cannot be used.')}"


def _switch_on(row: ProviderAccount, data: dict[str, Any]) -> str:
    tending.switch_on(row)
    return f"{row.label} is switched on."


def _switch_off(row: ProviderAccount, data: dict[str, Any]) -> str:
    tending.switch_off(row, reason=data["reason"])
    return f"{row.label} is switched off."


def _end_cooldown(row: ProviderAccount, data: dict[str, Any]) -> str:
    tending.end_cooldown(row)
    return f"{row.label} may serve again."


def _remove(row: ProviderAccount, data: dict[str, Any]) -> str:
    tending.remove(row)
    return f"{row.label} is removed."


@admin.register(Lease)
class LeaseAdmin(ReadOnly, ModelAdmin):
    list_display = ["account", "slot", "operation", "attempt", "expires_at"]
    list_filter = ["account__provider"]
    list_select_related = ["account__provider"]
