"""Wallets and balances: figures and entries are read-only; credits move through the ledger's verbs, with a reason."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from accounts import ledger
from accounts.errors import Refused
from accounts.models import Entry, Exchange, Pool
from accounts.money import read_amount, short
from providers.admin_base import Form, ModelAdmin, ReadOnly, TabularInline, action, ask, display, link, money, when

KINDS = {"Grant": "success", "Refund": "success", "Adjustment": "info", "Sync": "info"}


class AmountForm(Form):
    amount = forms.CharField(help_text="In credits, for example 250 or 12.5.")
    reason = forms.CharField(max_length=400, help_text="Kept with the entry for good.")


class EntryInline(ReadOnly, TabularInline):
    model = Entry
    verbose_name_plural = "latest entries"
    fields = ["at", "kind", "shown_amount", "shown_held", "shown_after", "note", "actor"]
    readonly_fields = fields
    per_page = 20
    show_change_link = True

    at = when("created_at", "When")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        return super().get_queryset(request).select_related("actor")

    @display(description="Balance ±")
    def shown_amount(self, row: Entry) -> str:
        return money(row.amount, signed=True)

    @display(description="Held ±")
    def shown_held(self, row: Entry) -> str:
        return money(row.held_change, signed=True)

    @display(description="Balance after")
    def shown_after(self, row: Entry) -> str:
        return money(row.balance_after)


class HolderFilter(admin.SimpleListFilter):
    title = "holder"
    parameter_name = "holder"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("wallet", "Wallets of workspaces"), ("account", "Balances of accounts")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Pool]) -> QuerySet[Pool]:
        wanted = self.value()
        return rows.filter(workspace__isnull=wanted == "account") if wanted else rows


@admin.register(Pool)
class PoolAdmin(ReadOnly, ModelAdmin):
    list_display = ["holder", "credit_type", "shown_balance", "shown_held", "shown_available", "unlimited", "synced"]
    list_filter = [HolderFilter, "credit_type", "unlimited"]
    list_select_related = ["workspace", "account__provider"]
    ordering = ["workspace__name", "account__label"]
    search_fields = ["workspace__name", "workspace__slug", "account__label", "account__provider__name"]
    inlines = [EntryInline]
    actions_detail = ["grant", "adjust"]
    fields = [
        ("holder_link", "credit_type"),
        ("shown_balance", "shown_held", "shown_available"),
        ("unlimited", "synced_at"),
    ]
    readonly_fields = [
        "holder_link",
        "credit_type",
        "shown_balance",
        "shown_held",
        "shown_available",
        "unlimited",
        "synced_at",
    ]

    synced = when("synced_at", "Told by the provider")

    @display(description="Holder", ordering="workspace__name")
    def holder(self, row: Pool) -> str:
        return str(row.workspace) if row.workspace else str(row.account)

    @display(description="Holder")
    def holder_link(self, row: Pool) -> str:
        return link(row.workspace or row.account)

    @display(description="Balance", ordering="balance")
    def shown_balance(self, row: Pool) -> str:
        return money(row.balance)

    @display(description="Held", ordering="held")
    def shown_held(self, row: Pool) -> str:
        return money(row.held)

    @display(description="Available")
    def shown_available(self, row: Pool) -> str:
        return money(None if row.balance is None else row.balance - row.held)

    @action(description="Grant credits", icon="add_card", permissions=["act"])
    def grant(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return ask(
            self, request, object_id, title="Grant credits", button="Grant", form=AmountForm, refusals=(Refused,),
            text="Adds credits to the balance.", run=lambda row, data: _write(row, data, "grant", request.user),
        )  # fmt: skip

    @action(description="Adjust", icon="tune", permissions=["act"])
    def adjust(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return ask(
            self, request, object_id, title="Adjust the balance", button="Adjust", form=AmountForm, refusals=(Refused,),
            text="Corrects the balance either way: a negative amount takes away. A wallet cannot go below what it holds.",
            run=lambda row, data: _write(row, data, "adjust", request.user),
        )  # fmt: skip


def _write(pool: Pool, data: dict[str, Any], verb: str, actor: Any) -> str:
    amount = read_amount(data["amount"], positive=verb == "grant")
    write = ledger.grant if verb == "grant" else ledger.adjust
    entry = write(pool, amount=amount, key=f"{verb}:{uuid.uuid4()}", note=data["reason"], actor=actor)
    return f"{short(amount)} {pool.credit_type}; the balance is now {short(entry.balance_after)}."


@admin.register(Entry)
class EntryAdmin(ReadOnly, ModelAdmin):
    list_display = ["at", "pool", "shown_kind", "shown_amount", "shown_held", "shown_after", "note", "actor"]
    list_filter = ["kind", ("pool__workspace", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["pool__workspace", "pool__account__provider", "actor"]
    search_fields = ["key", "note", "reference"]
    date_hierarchy = "created_at"
    fields = [
        "pool", ("created_at", "kind"), ("shown_amount", "shown_held"), ("shown_after", "shown_held_after"), "key", "reference",
        "note", "actor",
    ]  # fmt: skip
    readonly_fields = ["shown_amount", "shown_held", "shown_after", "shown_held_after"]

    at = when("created_at", "When")

    @display(description="Kind", label=KINDS, ordering="kind")
    def shown_kind(self, row: Entry) -> str:
        return row.get_kind_display()

    @display(description="Balance ±", ordering="amount")
    def shown_amount(self, row: Entry) -> str:
        return money(row.amount, signed=True)

    @display(description="Held ±", ordering="held_change")
    def shown_held(self, row: Entry) -> str:
        return money(row.held_change, signed=True)

    @display(description="Balance after")
    def shown_after(self, row: Entry) -> str:
        return money(row.balance_after)

    @display(description="Held after")
    def shown_held_after(self, row: Entry) -> str:
        return money(row.held_after)


class ExchangeForm(forms.ModelForm):
    class Meta:
        model = Exchange
        fields = ["provider", "credit_type", "credits", "markup_percent"]
        help_texts = {
            "credit_type": "As the provider's catalogue calls it, for example usd.",
            "credits": "Wallet credits one unit of it costs. One credit is one US cent unless you decide otherwise.",
            "markup_percent": "Added to every price on top; negative gives a discount.",
        }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        provider, wanted = data.get("provider"), data.get("credit_type")
        known = [row["key"] for row in provider.catalogue.get("credit_types", [])] if provider else []
        if provider and wanted and wanted not in known:
            self.add_error(
                "credit_type", f"{provider.name} bills in {', '.join(known) or 'nothing'}. Write one of these."
            )
        return data


@admin.register(Exchange)
class ExchangeAdmin(ModelAdmin):
    form = ExchangeForm
    list_display = ["credit_type", "provider_name", "credits", "markup_percent"]
    list_filter = ["credit_type"]
    list_select_related = ["provider"]

    @display(description="Provider", ordering="provider__name")
    def provider_name(self, row: Exchange) -> str:
        return row.provider.name if row.provider else "every provider"
