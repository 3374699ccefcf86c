"""Files: upload one or have an address fetched, list, show, and send their bytes (whole or a range) and thumbnails."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from accounts import reading
from accounts.errors import field_errors
from accounts.people import acting_workspace
from generations import assets, presenting, serving
from generations.models import Asset
from generations.models.assets import KINDS

from .rows import AssetRow, UploadBody, UrlBody

TAGS = ["assets"]
BYTES = OpenApiResponse(OpenApiTypes.BINARY, description="The file; a part of it with a Range header (206).")


def visible(request: Request, pk: UUID) -> Asset:
    found = (
        Asset.objects.visible_in(acting_workspace(request)).select_related("blob", "thumbnail").filter(pk=pk).first()
    )
    if found is None:
        raise NotFound
    return found


class Assets(ListAPIView):
    serializer_class = AssetRow
    parser_classes = (MultiPartParser, *api_settings.DEFAULT_PARSER_CLASSES)  # type: ignore[arg-type]

    def get_queryset(self) -> QuerySet[Asset]:
        asked = self.request.query_params
        rows = Asset.objects.visible_in(acting_workspace(self.request)).select_related("blob")
        exact = {
            "kind": reading.choice(asked, "kind", [key for key, _ in KINDS]),
            "origin": reading.choice(asked, "origin", [key for key, _ in Asset.ORIGINS]),
            "generation": _id(asked, "generation"),
        }
        rows = rows.filter(**{name: value for name, value in exact.items() if value})
        words = reading.text(asked, "q")
        return rows.filter(Q(name__icontains=words) | Q(generation__prompt__icontains=words)) if words else rows

    @extend_schema(
        operation_id="assets_list",
        tags=TAGS,
        parameters=[
            OpenApiParameter("kind", str, enum=[key for key, _ in KINDS]),
            OpenApiParameter("origin", str, enum=[key for key, _ in Asset.ORIGINS]),
            OpenApiParameter("generation", OpenApiTypes.UUID, description="Those made by it."),
            OpenApiParameter("q", str, description="Words in the name or the prompt."),
        ],
    )
    def get(self, request: Request) -> Response:
        """The workspace's files, newest first."""
        return self.get_paginated_response(
            [presenting.asset_row(row) for row in self.paginate_queryset(self.get_queryset()) or []]
        )

    @extend_schema(
        operation_id="assets_create",
        tags=TAGS,
        request={"multipart/form-data": UploadBody, "application/json": UrlBody},
        responses={201: AssetRow},
    )
    def post(self, request: Request) -> Response:
        """Keep a file: sent as multipart, or fetched from an address."""
        where = {"workspace": acting_workspace(request), "user": request.user}
        kept = (
            _uploaded(request, where)
            if request.FILES or request.content_type.startswith("multipart/")
            else _fetched(request, where)
        )
        kept = visible(request, kept.pk)
        return Response(
            presenting.asset_row(kept), status=201, headers={"Location": reverse("api:asset", args=[kept.pk])}
        )


def _uploaded(request: Request, where: dict[str, Any]) -> Asset:
    body = reading.body({**request.POST.dict(), **request.FILES.dict()}, "file", "name")
    file = request.FILES.get("file")
    if file is None:
        raise field_errors({"file": ["Needed: the file, as a multipart part named file."]})
    if len(request.FILES.getlist("file")) > 1:
        raise field_errors({"file": ["Send one file at a time."]})
    return assets.upload(file, name=reading.text(body, "name", most=200), **where)


def _fetched(request: Request, where: dict[str, Any]) -> Asset:
    body = reading.body(request.data, "url", "name")
    url = reading.text(body, "url", most=4000)
    if not url:
        raise field_errors({"url": ["Needed: an address; or send a file as multipart."]})
    return assets.from_url(url, name=reading.text(body, "name", most=200), **where)


def _id(asked: Any, field: str) -> UUID | None:
    given = reading.text(asked, field)
    try:
        return UUID(given) if given else None
    except ValueError:
        raise field_errors({field: ["This is not an id."]}) from None


class AssetDetail(APIView):
    @extend_schema(operation_id="assets_read", responses=AssetRow, tags=TAGS)
    def get(self, request: Request, pk: UUID) -> Response:
        """One file's facts."""
        return Response(presenting.asset_row(visible(request, pk)))


class Content(APIView):
    @extend_schema(
        operation_id="assets_content",
        responses={(200, "*/*"): BYTES, (206, "*/*"): BYTES},
        parameters=[OpenApiParameter("download", bool, description="Send it to be saved, with its file name.")],
        tags=TAGS,
    )
    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Its bytes; Range is honoured."""
        saved = request.query_params.get("download", "") not in ("", "0", "false")
        return serving.ranged(request._request, visible(request, pk), download=saved)


class Thumbnail(APIView):
    @extend_schema(operation_id="assets_thumbnail", responses={(200, "image/webp"): BYTES}, tags=TAGS)
    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        """A small picture of it; 404 while (or when) there is none."""
        asset = visible(request, pk)
        if asset.thumbnail is None:
            raise NotFound
        return serving.ranged(request._request, asset.thumbnail)
