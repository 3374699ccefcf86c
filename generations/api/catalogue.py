"""Providers and models as this workspace may use them: what they take, what they cost, and why one is not available."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import reading
from accounts.people import acting_workspace
from generations.models.assets import KINDS
from generations.presenting import Catalogue
from providers.models import Capability, Provider

from .rows import ModelRow, ProviderRow, VideoProviderRow

ENVIRONMENTS = ("remote", "local", "builtin")
VIDEO = ("text_to_video", "image_to_video", "video_to_video", "extend_video")
ENVIRONMENT = OpenApiParameter("environment", str, enum=ENVIRONMENTS, description="Where the provider runs.")


class Providers(ListAPIView):
    serializer_class = ProviderRow
    queryset = Provider.objects.filter(missing=False)
    keyset = ("slug",)
    page_size = 200

    @extend_schema(operation_id="providers_list", parameters=[ENVIRONMENT], tags=["catalogue"])
    def get(self, request: Request) -> Response:
        """Every provider, with whether this workspace can use it and why not."""
        environment = reading.choice(request.query_params, "environment", ENVIRONMENTS)
        found = self.get_queryset().filter(kind=environment) if environment else self.get_queryset()
        return self.get_paginated_response(
            provider_rows(self.paginate_queryset(found) or [], acting_workspace(request))
        )


class ProviderDetail(APIView):
    @extend_schema(operation_id="providers_read", responses=ProviderRow, tags=["catalogue"])
    def get(self, request: Request, slug: str) -> Response:
        """One provider."""
        found = Provider.objects.filter(slug=slug, missing=False).first()
        if found is None:
            raise NotFound
        return Response(provider_rows([found], acting_workspace(request))[0])


class VideoProviders(ListAPIView):
    serializer_class = VideoProviderRow
    keyset = ("slug",)
    page_size = 200

    def get_queryset(self) -> QuerySet[Provider]:
        films = Capability.objects.filter(operation__in=VIDEO, missing=False).values("provider")
        return Provider.objects.filter(missing=False, pk__in=films)

    @extend_schema(operation_id="videos_providers_list", tags=["catalogue"])
    def get(self, request: Request) -> Response:
        """Video providers as flat capability dictionaries; money in dollars."""
        page = self.paginate_queryset(self.get_queryset()) or []
        shown = Catalogue(acting_workspace(request))
        by_provider = capabilities_of(page, operation__in=VIDEO)
        return self.get_paginated_response([shown.video_row(row, by_provider[row.pk]) for row in page])


class Models(ListAPIView):
    serializer_class = ModelRow
    queryset = Capability.objects.filter(missing=False, provider__missing=False)
    keyset = ("provider__slug", "model")
    page_size = 200

    @extend_schema(
        operation_id="models_list",
        parameters=[
            OpenApiParameter("operation", str, description="Models that do this."),
            OpenApiParameter("kind", str, enum=[key for key, _ in KINDS], description="Models that make this."),
            OpenApiParameter("provider", str),
            ENVIRONMENT,
            OpenApiParameter("q", str, description="Words in the id or label."),
        ],
        tags=["catalogue"],
    )
    def get(self, request: Request) -> Response:
        """Every model, with schema, price, availability and reason."""
        names = _filtered(self.get_queryset(), request).values("provider__slug", "model").distinct()
        page = [(row["provider__slug"], row["model"]) for row in self.paginate_queryset(names) or []]
        return self.get_paginated_response(model_rows(page, acting_workspace(request)))


class ModelDetail(APIView):
    @extend_schema(operation_id="models_read", responses=ModelRow, tags=["catalogue"])
    def get(self, request: Request, model_id: str) -> Response:
        """One model; its id holds slashes."""
        slug, _, model = model_id.partition("/")
        rows = model_rows([(slug, model)], acting_workspace(request)) if "\x00" not in model_id else []
        if not rows:
            raise NotFound
        return Response(rows[0])


def _filtered(rows: QuerySet[Capability], request: Request) -> QuerySet[Capability]:
    asked = request.query_params
    exact = {
        "operation": reading.text(asked, "operation"),
        "output_kind": reading.choice(asked, "kind", [key for key, _ in KINDS]),
        "provider__slug": reading.text(asked, "provider"),
        "provider__kind": reading.choice(asked, "environment", ENVIRONMENTS),
    }
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    for word in reading.text(asked, "q").split():
        rows = rows.filter(
            Q(model__icontains=word)
            | Q(label__icontains=word)
            | Q(provider__name__icontains=word)
            | Q(provider__slug=word)
        )
    return rows


def provider_rows(providers: Sequence[Provider], workspace: Any) -> list[dict[str, Any]]:
    shown, by_provider = Catalogue(workspace), capabilities_of(providers)
    return [shown.provider_row(row, by_provider[row.pk]) for row in providers]


def capabilities_of(providers: Iterable[Provider], **only: Any) -> dict[int, list[Capability]]:
    found: dict[int, list[Capability]] = defaultdict(list)
    rows = Capability.objects.filter(provider__in=[row.pk for row in providers], missing=False, **only).select_related(
        "provider"
    )
    for row in rows.order_by("position", "model", "operation"):
        found[row.provider_id].append(row)
    return found


def model_rows(names: Sequence[tuple[str, str]], workspace: Any) -> list[dict[str, Any]]:
    """In the order asked for; a name nobody has is left out."""
    slugs, models = {slug for slug, _ in names}, {model for _, model in names}
    grouped: dict[tuple[str, str], list[Capability]] = defaultdict(list)
    rows = Capability.objects.filter(provider__slug__in=slugs, model__in=models, missing=False, provider__missing=False)
    for row in rows.select_related("provider").order_by("position", "operation"):
        grouped[row.provider.slug, row.model].append(row)
    shown = Catalogue(workspace)
    return [shown.model_row(grouped[name]) for name in names if name in grouped]
