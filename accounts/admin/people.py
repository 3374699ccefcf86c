"""Workspaces with their people, API keys and sign-in links. A key's secret is shown once, when it is issued."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts import keys, ledger
from accounts.errors import Refused
from accounts.models import ApiKey, Membership, SignInLink, Workspace
from accounts.models.keys import SCOPES
from accounts.money import read_amount
from providers.admin_base import Form, ModelAdmin, ReadOnly, TabularInline, action, ask, display, link, money, when

KEY_STATES = {"Live": "success", "Expired": "warning", "Revoked": "danger"}


class MembershipInline(TabularInline):
    model = Membership
    autocomplete_fields = ["user"]
    fields = ["user", "role", "joined_at"]
    readonly_fields = ["joined_at"]


@admin.register(Workspace)
class WorkspaceAdmin(ModelAdmin):
    list_display = ["name", "slug", "personal_for", "people", "balance", "held", "mode_override"]
    list_filter = [("personal_for", admin.EmptyFieldListFilter), "mode_override"]
    list_select_related = ["personal_for", "wallet"]
    search_fields = ["name", "slug", "memberships__user__username"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [MembershipInline]
    fields = [("name", "slug"), "mode_override", ("wallet_link", "balance", "held"), ("personal_for", "created_at")]
    readonly_fields = ["wallet_link", "balance", "held", "personal_for", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workspace]:
        return super().get_queryset(request).annotate(members=Count("memberships"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*self.readonly_fields, "slug"] if obj else self.readonly_fields  # keys and scripts name it

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else self.prepopulated_fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        ledger.wallet(obj)

    @display(description="People", ordering="members")
    def people(self, row: Any) -> int:
        return int(row.members)

    @display(description="Wallet")
    def wallet_link(self, row: Workspace) -> str:
        return link(getattr(row, "wallet", None), "Open the wallet")

    @display(description="Balance", ordering="wallet__balance")
    def balance(self, row: Workspace) -> str:
        return money(row.wallet.balance if hasattr(row, "wallet") else None)

    @display(description="Held", ordering="wallet__held")
    def held(self, row: Workspace) -> str:
        return money(row.wallet.held if hasattr(row, "wallet") else None)


class KeyForm(Form):
    workspace = forms.ModelChoiceField(Workspace.objects.all(), help_text="The key works in this one only.")
    user = forms.ModelChoiceField(
        get_user_model().objects.filter(is_active=True), help_text="Who it acts as; a member of that workspace."
    )
    name = forms.CharField(max_length=80, help_text="To tell it from others.")
    scopes = forms.MultipleChoiceField(choices=[(name, name) for name in SCOPES], initial=["read", "submit"])
    expires_at = forms.SplitDateTimeField(required=False, help_text="Empty: never.")
    rate_per_minute = forms.IntegerField(
        required=False, min_value=1, help_text="Calls per minute; empty: no limit of its own."
    )
    budget = forms.CharField(required=False, help_text="Most credits it may have held and spent; empty: no limit.")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if (
            data.get("workspace")
            and data.get("user")
            and not Workspace.objects.of(data["user"]).filter(pk=data["workspace"].pk).exists()
        ):
            self.add_error(
                "user", f"{data['user']} does not belong to {data['workspace']}. Add them as a member first."
            )
        return data


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly, ModelAdmin):
    list_display = ["name", "shown_prefix", "user", "workspace", "shown_scopes", "state", "used"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter), "workspace"]
    list_select_related = ["user", "workspace"]
    search_fields = ["name", "prefix", "user__username", "workspace__slug"]
    actions_list = ["issue"]
    actions_detail = ["revoke"]
    fields = [
        ("name", "shown_prefix"), ("user", "workspace"), "shown_scopes", ("rate_per_minute", "budget"),
        ("created_at", "expires_at", "revoked_at", "last_used_at"),
    ]  # fmt: skip
    readonly_fields = ["shown_prefix", "shown_scopes", "budget"]

    used = when("last_used_at", "Last used")

    @display(description="Key")
    def shown_prefix(self, row: ApiKey) -> str:
        return f"mg_{row.prefix}_…"

    @display(description="Scopes")
    def shown_scopes(self, row: ApiKey) -> str:
        return ", ".join(row.scopes)

    @display(description="Budget")
    def budget(self, row: ApiKey) -> str:
        return money(row.budget_micros)

    @display(description="State", label=KEY_STATES)
    def state(self, row: ApiKey) -> str:
        return "Revoked" if row.revoked_at else "Live" if row.is_live else "Expired"

    @action(description="Issue a key", icon="key", permissions=["act"])
    def issue(self, request: HttpRequest) -> HttpResponse:
        return ask(
            self, request, None, title="Issue an API key", button="Issue", form=KeyForm, refusals=(Refused,),
            text="The key is shown once, on the next page. Only its digest is kept.",
            run=lambda _, data: shown_once(self, request, title="The new key", secret=_issue(data)),
        )  # fmt: skip

    @action(description="Revoke", icon="block", permissions=["act"])
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return ask(
            self, request, object_id, title="Revoke this key", button="Revoke", run=_revoke, danger=True,
            text="It is refused from now on, for good. What it did stays readable.",
        )  # fmt: skip


def _issue(data: dict[str, Any]) -> str:
    budget = data.pop("budget")
    return keys.issue(**data, budget_micros=read_amount(budget, field="budget") if budget else None)[1]


def _revoke(row: ApiKey, data: dict[str, Any]) -> str:
    keys.revoke(row)
    return f"{row.name} is revoked."


def shown_once(page: Any, request: HttpRequest, *, title: str, secret: str) -> HttpResponse:
    """On the page itself, not in a message: messages are stored until they are read."""
    answer = TemplateResponse(
        request,
        "admin/shown_once.html",
        {**page.admin_site.each_context(request), "opts": page.opts, "title": title, "secret": secret},
    )
    answer["Cache-Control"] = "no-store"
    return answer


@admin.register(SignInLink)
class SignInLinkAdmin(ReadOnly, ModelAdmin):
    list_display = ["user", "expires", "used"]
    list_select_related = ["user"]
    fields = ["user", "expires_at", "used_at"]
    expires, used = when("expires_at", "Expires"), when("used_at", "Used")
