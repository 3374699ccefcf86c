"""Submit, list, show, remove; and what may be done to one: cancel, pause, resume, retry, settle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import reading
from accounts.errors import Refused, field_errors
from accounts.models import ApiKey
from accounts.people import acting_workspace
from generations import lifecycle, orders, presenting
from generations.models import Generation
from generations.models.assets import KINDS
from generations.models.generations import Status

from . import prefer
from .rows import GenerationRow, OrderBody, SettleBody

KEY = "Idempotency-Key"
TAGS = ["generations"]


def visible(request: Request, pk: UUID) -> Generation:
    """The workspace's own, or 404: a stranger cannot tell it exists."""
    found = Generation.objects.visible_in(acting_workspace(request)).with_parts().filter(pk=pk).first()
    if found is None:
        raise NotFound
    return found


def key_of(request: Request) -> ApiKey | None:
    return request.auth if isinstance(request.auth, ApiKey) else None


def fresh(pk: UUID) -> dict[str, Any]:
    """The row as it is now, after a verb."""
    return presenting.generation_row(Generation.objects.with_parts().get(pk=pk))


class Generations(ListAPIView):
    serializer_class = GenerationRow

    def get_queryset(self) -> QuerySet[Generation]:
        return _filtered(
            Generation.objects.visible_in(acting_workspace(self.request)), self.request.query_params
        ).with_parts()

    @extend_schema(
        operation_id="generations_list",
        tags=TAGS,
        parameters=[
            OpenApiParameter(
                "status", str, description=f"One or several of {', '.join(Status.values)}, separated by commas."
            ),
            OpenApiParameter("operation", str),
            OpenApiParameter("kind", str, enum=[key for key, _ in KINDS]),
            OpenApiParameter("model", str, description="provider/model"),
            OpenApiParameter("q", str, description="Words in the prompt."),
            OpenApiParameter("created_after", str, description="ISO 8601."),
            OpenApiParameter("created_before", str, description="ISO 8601."),
        ],
    )
    def get(self, request: Request) -> Response:
        """The workspace's generations, newest first."""
        return self.get_paginated_response(
            presenting.generation_rows(self.paginate_queryset(self.get_queryset()) or [])
        )

    @extend_schema(
        operation_id="generations_create",
        tags=TAGS,
        request=OrderBody,
        responses={202: GenerationRow, 200: GenerationRow},
        parameters=[
            OpenApiParameter(
                KEY, str, OpenApiParameter.HEADER, description="Repeating the call with it gives the same generation."
            ),
            OpenApiParameter(
                "Prefer", str, OpenApiParameter.HEADER, description="wait=N waits up to 60 seconds for the end."
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        """Submit. 202, or with `Prefer: wait` 200 once it has ended."""
        order, key = orders.read(request.data), _idempotency_key(request)
        generation, created = lifecycle.create(
            order=order,
            workspace=acting_workspace(request),
            user=request.user,
            api_key=key_of(request),
            idempotency_key=key,
        )
        headers = {"Location": reverse("api:generation", args=[generation.pk])}
        if not created:
            headers["Idempotent-Replayed"] = "true"
        seconds = prefer.wait_seconds(request)
        if seconds is not None and prefer.wait(generation.pk, seconds):
            headers["Preference-Applied"] = f"wait={seconds}"
        row = fresh(generation.pk)
        ended = seconds is not None and row["finished_at"] is not None
        return Response(row, status=200 if ended else 202, headers=headers)


def _idempotency_key(request: Request) -> str | None:
    given = request.headers.get(KEY)
    if given is None:
        return None
    if not 1 <= len(given) <= 255 or not given.isprintable():
        raise field_errors({KEY: ["Write 1 to 255 printable characters."]})
    return given


def _filtered(rows: QuerySet[Generation], asked: Any) -> Any:
    wanted = [value for value in reading.text(asked, "status").split(",") if value]
    if unknown := [value for value in wanted if value not in Status.values]:
        raise field_errors({"status": [f"There is no status {unknown[0]}. Choose from: {', '.join(Status.values)}."]})
    slug, _, model = reading.text(asked, "model").partition("/")
    exact = {
        "status__in": wanted,
        "operation": reading.text(asked, "operation"),
        "output_kind": reading.choice(asked, "kind", [key for key, _ in KINDS]),
        "capability__provider__slug": slug,
        "capability__model": model,
        "prompt__icontains": reading.text(asked, "q"),
        "created_at__gt": reading.moment(asked, "created_after"),
        "created_at__lt": reading.moment(asked, "created_before"),
    }
    return rows.filter(**{name: value for name, value in exact.items() if value})


class GenerationDetail(APIView):
    @extend_schema(operation_id="generations_read", responses=GenerationRow, tags=TAGS)
    def get(self, request: Request, pk: UUID) -> Response:
        """One generation as it is now."""
        return Response(presenting.generation_row(visible(request, pk)))

    @extend_schema(operation_id="generations_delete", responses={204: None}, tags=TAGS)
    def delete(self, request: Request, pk: UUID) -> Response:
        """Hide an ended generation and its results; its money and story stay."""
        lifecycle.remove(visible(request, pk), by=request.user)
        return Response(status=204)


class _Verb(APIView):
    """A verb without a body; answers the row as it is afterwards."""

    act: Callable[..., Generation]
    status = 200

    def post(self, request: Request, pk: UUID) -> Response:
        reading.body(request.data)
        after = self.act(visible(request, pk), by=request.user)
        return Response(fresh(after.pk), status=self.status)


def _documented(name: str, text: str, status: int = 200) -> Any:
    said = extend_schema(
        operation_id=f"generations_{name}", description=text, request=None, responses={status: GenerationRow}, tags=TAGS
    )
    return extend_schema_view(post=said)


@_documented("cancel", "Ask for the end: at once while queued, else the provider's verdict decides.")
class Cancel(_Verb):
    act = staticmethod(lifecycle.cancel)


@_documented("pause", "Hold a queued generation back. 409 once it is under way.")
class Pause(_Verb):
    act = staticmethod(lifecycle.pause)


@_documented("resume", "Queue a paused generation again.")
class Resume(_Verb):
    act = staticmethod(lifecycle.resume)


@_documented("retry", "Submit an ended generation again: a new one, linked by retry_of.", 202)
class Retry(_Verb):
    status = 202

    def act(self, generation: Generation, *, by: Any) -> Generation:
        return lifecycle.retry(generation, by=by, api_key=key_of(self.request))


class Settle(APIView):
    """Staff of any workspace, or the workspace whose own account was used."""

    @extend_schema(operation_id="generations_settle", request=SettleBody, responses=GenerationRow, tags=TAGS)
    def post(self, request: Request, pk: UUID) -> Response:
        """A person's verdict on a submit whose answer was lost."""
        generation = self._settleable(request, pk)
        body = reading.body(request.data, "verdict", "remote_id")
        verdict, remote_id = reading.text(body, "verdict"), reading.text(body, "remote_id", most=600)
        if not verdict:
            raise field_errors({"verdict": ["Needed: arrived, never_arrived or charged."]})
        lifecycle.settle(generation, verdict=verdict, remote_id=remote_id, by=request.user)
        return Response(fresh(generation.pk))

    def _settleable(self, request: Request, pk: UUID) -> Generation:
        if _is_staff(request):
            found = Generation.objects.filter(pk=pk).first()
            if found is None:
                raise NotFound
            return found
        generation = visible(request, pk)
        if not generation.attempts.filter(account__workspace=generation.workspace_id).exists():
            raise Refused(
                "staff_only", "The account used is site-wide: ask an administrator to settle this.", status=403
            )
        return generation


def _is_staff(request: Request) -> bool:
    """A key of theirs counts only with the admin scope."""
    scoped = not isinstance(request.auth, ApiKey) or "admin" in request.auth.scopes
    return bool(request.user.is_staff and scoped)
