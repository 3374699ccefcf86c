"""Generations with their story, and what a person may do to one: only through the lifecycle's verbs, never by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.errors import Refused
from generations import lifecycle
from generations.lifecycle.settling import VERDICTS
from generations.models import Event, Generation
from generations.models.generations import State, Status
from providers.admin_base import Form, ModelAdmin, ReadOnly, action, ask, display, link, money, pretty, when

STATUSES = {
    "Queued": "",
    "Paused": "",
    "Submitting": "primary",
    "Outcome unknown": "warning",
    "Running": "primary",
    "Finalizing": "primary",
    "Done": "success",
    "Failed": "danger",
    "Filtered": "info",
    "Cancelled": "",
}
SAYS = {
    "arrived": "It arrived. The provider has it under the id below; it is followed from now on.",
    "never_arrived": "It never arrived: nothing was made and nothing charged. It is tried again.",
    "charged": "It was charged, but its result is lost. The account pays, the person does not.",
}


class SettleForm(Form):
    verdict = forms.ChoiceField(choices=[(verdict, SAYS[verdict]) for verdict in VERDICTS])
    remote_id = forms.CharField(
        required=False, max_length=600, label="The provider's id of the job", help_text="Needed when it arrived."
    )


@admin.register(Generation)
class GenerationAdmin(ReadOnly, ModelAdmin):
    list_display = [
        "prompt_start",
        "shown_status",
        "made_with",
        "mode_name",
        "workspace",
        "user",
        "cost",
        "tries",
        "asked",
    ]
    list_filter = [
        "status", "unknown", "mode", "output_kind", ("capability__provider", admin.RelatedOnlyFieldListFilter),
        ("workspace", admin.RelatedOnlyFieldListFilter), ("deleted_at", admin.EmptyFieldListFilter), "created_at",
    ]  # fmt: skip
    list_select_related = ["capability__provider", "workspace", "user"]
    search_fields = ["id", "prompt", "capability__model", "attempts__remote_id", "user__username", "workspace__slug"]
    search_help_text = "Id, prompt, model, the provider's id of the job, user or workspace."
    date_hierarchy = "created_at"
    actions_detail = ["retry", "cancel", "pause", "resume", "settle"]
    change_form_after_template = "admin/generation_story.html"
    readonly_fields = [
        "shown_status", "made_with", "mode_name", "cost", "held", "quoted", "asked", "begun", "ended", "params_text", "metadata_text",
        "quote_text", "account_pinned", "original", "page",
    ]  # fmt: skip
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("shown_status", "mode_name"), ("made_with", "page"), "prompt", "note", ("error_code", "retryable"), "error_message",
                    ("quoted", "held", "cost"), ("asked", "begun"), ("ended", "api_key"), ("workspace", "user"),
                ]
            },
        ),
        (
            "What was asked for",
            {
                "fields": [
                    "params_text", "quote_text", "metadata_text", ("account_pinned", "fallbacks", "priority"),
                    ("retries", "deadline_at", "expected_seconds"), ("cancel_requested_at", "deleted_at", "original"),
                    ("idempotency_key", "fingerprint"),
                ],
                "classes": ["collapse"],
            },
        ),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        return super().get_queryset(request).annotate(attempt_count=Count("attempts"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **(_story(row) if row else {})}
        )

    @display(description="Prompt", ordering="prompt")
    def prompt_start(self, row: Generation) -> str:
        words = row.prompt or f"{row.operation} {str(row.pk)[:8]}"
        return words if len(words) <= 60 else f"{words[:59]}…"

    @display(description="Status", label=STATUSES, ordering="status")
    def shown_status(self, row: Generation) -> str:
        return "Outcome unknown" if row.unknown else row.get_status_display()

    asked, begun, ended = when("created_at", "Asked for"), when("started_at", "Begun"), when("finished_at", "Ended")

    @display(description="Mode", ordering="mode")
    def mode_name(self, row: Generation) -> str:
        return row.mode

    @display(description="Model")
    def made_with(self, row: Generation) -> str:
        return f"{row.capability.model_id} ({row.operation})"

    @display(description="Charged", ordering="charged_micros")
    def cost(self, row: Generation) -> str:
        return money(row.charged_micros)

    @display(description="Held")
    def held(self, row: Generation) -> str:
        return money(row.held_micros)

    @display(description="Quoted")
    def quoted(self, row: Generation) -> str:
        return money(row.quoted_micros)

    @display(description="Attempts", ordering="attempt_count")
    def tries(self, row: Any) -> int:
        return int(row.attempt_count)

    @display(description="Parameters")
    def params_text(self, row: Generation) -> str:
        return pretty(row.params)

    @display(description="Metadata")
    def metadata_text(self, row: Generation) -> str:
        return pretty(row.metadata)

    @display(description="Quote")
    def quote_text(self, row: Generation) -> str:
        return pretty(row.quote)

    @display(description="Account asked for")
    def account_pinned(self, row: Generation) -> str:
        return link(row.pinned)

    @display(description="A retry of")
    def original(self, row: Generation) -> str:
        return link(row.retry_of)

    @display(description="Id")
    def page(self, row: Generation) -> str:
        return str(row.pk)

    # -- actions ---------------------------------------------------------------------------------------------------------
    @action(description="Retry", icon="replay", permissions=["act"])
    def retry(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(
            request, object_id, "Retry", "Makes a new generation with the same order, priced and held anew in the same workspace.",
            lambda row, data: f"Queued again as {lifecycle.retry(row, by=request.user).pk}.",
        )  # fmt: skip

    @action(description="Cancel", icon="cancel", permissions=["act"])
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def run(row: Generation, data: dict[str, Any]) -> str:
            done = lifecycle.cancel(row, by=request.user)
            return "Cancelled." if done.is_terminal else "The provider is asked to cancel; its answer decides."

        return self._ask(
            request,
            object_id,
            "Cancel",
            "What waits ends at once. What the provider works on ends when the provider agrees.",
            run,
            danger=True,
        )

    @action(description="Pause", icon="pause", permissions=["act"])
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        text = "It waits in the queue until someone resumes it. Only a queued generation can be paused."
        return self._ask(
            request,
            object_id,
            "Pause",
            text,
            lambda row, data: f"It is {lifecycle.pause(row, by=request.user).status}.",
        )

    @action(description="Resume", icon="play_arrow", permissions=["act"])
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        text = "It goes back to the queue."
        return self._ask(
            request,
            object_id,
            "Resume",
            text,
            lambda row, data: f"It is {lifecycle.resume(row, by=request.user).status}.",
        )

    @action(description="Settle", icon="gavel", permissions=["act"])
    def settle(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def run(row: Generation, data: dict[str, Any]) -> str:
            done = lifecycle.settle(row, verdict=data["verdict"], remote_id=data["remote_id"].strip(), by=request.user)
            return f"Settled; it is now {done.get_status_display().lower()}."

        text = (
            "The provider's answer to the submit was lost, or our deadline passed. Look into the provider's own list of jobs "
            "for one made at that moment, then say what you found. The money follows your word."
        )
        return self._ask(request, object_id, "Settle", text, run, form=SettleForm)

    def _ask(self, request: HttpRequest, object_id: str, title: str, text: str, run: Any, **more: Any) -> HttpResponse:
        return ask(
            self,
            request,
            object_id,
            title=f"{title} this generation",
            text=text,
            button=title,
            run=run,
            refusals=(Refused,),
            **more,
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only what could be done to it as it stands; the verb itself decides again."""
        row = self.get_object(request, str(object_id))
        possible = _possible(row) if row else set()
        return [item for item in super().get_actions_detail(request, object_id) if item.path in possible]


def _possible(row: Generation) -> set[str]:
    waits = row.attempts.filter(state__in=[State.UNKNOWN, State.EXPIRED], charged="unknown").exists()
    by_status = {
        "retry": row.is_terminal,
        "cancel": not row.is_terminal,
        "pause": row.status == Status.QUEUED,
        "resume": row.status == Status.PAUSED,
    }
    return {name for name, fits in {**by_status, "settle": waits}.items() if fits}


def _story(row: Generation) -> dict[str, Any]:
    """What happened, in order, for the foot of the page."""
    attempts = row.attempts.select_related("account__provider", "capability__provider")
    return {
        "story_attempts": [
            {"row": one, "decision": _decision(one.decision), "cost": money(one.cost_micros)} for one in attempts
        ],
        "story_events": [(event, list(_facts(event))) for event in row.events.all()[:500]],
        "story_assets": row.assets.select_related("blob", "thumbnail"),
        "story_inputs": row.inputs.select_related("asset__blob"),
        "story_receipt": row.receipt,
        "story_step": getattr(row, "step", None),
    }


def _facts(event: Event) -> Iterator[tuple[str, str]]:
    """What an event tells, for people: money as credits, and the attempt by its number."""
    for name, value in event.data.items():
        if value not in (None, "") and name != "attempt":
            yield name, money(value) if name == "charged" and isinstance(value, int) else str(value)[:160]


def _decision(found: dict[str, Any]) -> dict[str, Any]:
    """Who was asked and why not, without the ids."""
    excluded = [
        f"{item.get('label')}: {item.get('reason')}"
        for model in found.get("models", {}).values()
        for item in model.get("excluded", [])
    ]
    ranking = [item.get("label") for model in found.get("models", {}).values() for item in model.get("ranking", [])]
    return {"reason": found.get("reason", ""), "ranking": ranking, "excluded": excluded}
