"""Live updates: a workspace's stream of rows, and the story of one generation as a list or a stream."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.people import acting_workspace
from generations import feed, presenting
from generations.models import Event

from .generations import visible
from .rows import EventRow

HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
LAST = "Last-Event-ID"
RESUME = OpenApiParameter(
    LAST, str, OpenApiParameter.HEADER, description="The last id seen; what changed since is sent first."
)
STREAM = OpenApiResponse(
    OpenApiTypes.STR, description="Events named `generation`: `data` is the row, `id` where to resume."
)


class EventStream(BaseRenderer):
    """Never renders: the view streams. It only takes part in choosing the form."""

    media_type = "text/event-stream"
    format = "event-stream"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b""


def streamed(request: Request, generation: UUID | None = None) -> StreamingHttpResponse:
    """The database connection of this request is let go first: the stream may live for minutes and uses another."""
    flow = feed.stream if isinstance(request._request, ASGIRequest) else feed.stream_sync
    frames = flow(acting_workspace(request).pk, _last(request), str(generation) if generation else None)
    feed.let_go()
    return StreamingHttpResponse(frames, content_type="text/event-stream; charset=utf-8", headers=HEADERS)


def _last(request: Request) -> int | None:
    """From the header, or the query (a page knows where it was rendered); nonsense counts as not said."""
    given = request.headers.get(LAST) or request.query_params.get("last_event_id") or ""
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None


class WorkspaceEvents(APIView):
    renderer_classes = (EventStream,)

    @extend_schema(
        operation_id="events_stream",
        tags=["events"],
        parameters=[RESUME, OpenApiParameter("last_event_id", str, description="The same, for a first connection.")],
        responses={(200, "text/event-stream"): STREAM},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Every change in the workspace, as it happens. Ends after about five minutes: connect again with the last id."""
        return streamed(request)


class GenerationEvents(ListAPIView):
    serializer_class = EventRow
    renderer_classes = (JSONRenderer, EventStream)
    keyset = ("id",)

    def get_queryset(self) -> QuerySet[Event]:
        return Event.objects.filter(generation=visible(self.request, self.kwargs["pk"]))

    @extend_schema(operation_id="generations_events", tags=["events"])
    def get(self, request: Request, pk: UUID) -> Response | StreamingHttpResponse:
        """Its story, oldest first; with `Accept: text/event-stream` its row as it changes, until its end."""
        if request.accepted_renderer.format == EventStream.format:
            return streamed(request, visible(request, pk).pk)
        return self.get_paginated_response(
            [presenting.event_row(row) for row in self.paginate_queryset(self.get_queryset()) or []]
        )
