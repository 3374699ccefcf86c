"""Each try at an account, with the reason it was chosen and what came of it: read-only."""

from __future__ import annotations

from django.contrib import admin

from generations.models import Attempt
from providers.admin_base import ModelAdmin, ReadOnly, display, link, money, pretty, when

STATES = {
    "Sending": "primary",
    "Unknown": "warning",
    "Accepted": "primary",
    "Succeeded": "success",
    "Failed": "danger",
    "Filtered": "info",
    "Cancelled": "",
    "Expired": "warning",
    "Abandoned": "",
}


@admin.register(Attempt)
class AttemptAdmin(ReadOnly, ModelAdmin):
    list_display = [
        "short",
        "shown_state",
        "made_with",
        "account",
        "error_code",
        "charged",
        "cost",
        "sent",
    ]
    list_filter = ["state", "charged", ("capability__provider", admin.RelatedOnlyFieldListFilter), "error_code"]
    list_select_related = ["capability__provider", "account__provider", "generation"]
    search_fields = ["id", "remote_id", "generation__id", "vendor_code"]
    ordering = ["-created_at"]
    date_hierarchy = "created_at"
    readonly_fields = [
        "generation_link",
        "made_with",
        "shown_state",
        "cost",
        "decision_text",
        "memo_text",
        "outputs_text",
        "usage_text",
    ]
    fields = [
        ("generation_link", "number", "shown_state"), ("made_with", "account"), ("remote_id", "vendor_code"),
        ("error_code", "error_message"),
        ("charged", "cost", "credit_type"), ("created_at", "accepted_at", "finished_at"), ("deadline_at", "cancel_asked_at", "strikes"),
        "decision_text", "memo_text", "outputs_text", "usage_text",
    ]  # fmt: skip

    sent = when("created_at", "Sent")

    @display(description="Attempt")
    def short(self, row: Attempt) -> str:
        return f"{str(row.generation_id)[:8]} · {row.number}"

    @display(description="State", label=STATES, ordering="state")
    def shown_state(self, row: Attempt) -> str:
        return row.get_state_display()

    @display(description="Model")
    def made_with(self, row: Attempt) -> str:
        return row.capability.model_id

    @display(description="Generation")
    def generation_link(self, row: Attempt) -> str:
        return link(row.generation, row.generation.prompt[:60])

    @display(description="Cost at the provider")
    def cost(self, row: Attempt) -> str:
        return money(row.cost_micros)

    @display(description="Why this account")
    def decision_text(self, row: Attempt) -> str:
        return pretty(row.decision)

    @display(description="Kept between looks")
    def memo_text(self, row: Attempt) -> str:
        return pretty(row.memo)

    @display(description="Where its results are")
    def outputs_text(self, row: Attempt) -> str:
        return pretty(row.outputs)

    @display(description="What was used")
    def usage_text(self, row: Attempt) -> str:
        return pretty(row.usage)
