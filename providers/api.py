"""What every provider could be asked: the operations, and whose address a URL is."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from . import presenting
from .catalogue_types import InputRole, Operation
from .loaded import registry
from .models import Provider
from .operations import OPERATIONS


class RoleRow(serializers.Serializer[Any]):
    role = serializers.CharField()
    label = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField())
    min = serializers.IntegerField()
    max = serializers.IntegerField(allow_null=True)


class OperationRow(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.CharField()
    label = serializers.CharField()
    phrase = serializers.CharField()
    kind = serializers.CharField(help_text="The medium it is filed under.")
    inputs = RoleRow(many=True)
    outputs = serializers.ListField(child=serializers.CharField())


class OperationPage(serializers.Serializer[Any]):
    data = OperationRow(many=True)
    next = serializers.CharField(allow_null=True)


class Detected(serializers.Serializer[Any]):
    url = serializers.CharField()
    provider = serializers.CharField(allow_null=True, help_text="Its id, or null when no provider owns the address.")
    name = serializers.CharField(allow_null=True)


def all_operations() -> dict[str, Operation]:
    """Ours, then those that providers bring along."""
    own = {
        row["name"]: row
        for says in Provider.objects.values_list("catalogue", flat=True)
        for row in says.get("operations", [])
    }
    return {**{name: _read(row) for name, row in sorted(own.items())}, **OPERATIONS}


def _read(row: dict[str, Any]) -> Operation:
    roles = tuple(
        InputRole(
            role=item["role"],
            kinds=tuple(item.get("kinds", ())),
            min=item.get("min", 0),
            max=item.get("max"),
            label=item.get("label", ""),
        )
        for item in row.get("inputs", ())
    )
    words = {name: row.get(name, "") for name in ("name", "label", "phrase", "kind")}
    return Operation(**words, inputs=roles, outputs=tuple(row.get("outputs", ())))


class Operations(APIView):
    @extend_schema(operation_id="operations_list", responses=OperationPage, tags=["catalogue"])
    def get(self, request: Request) -> Response:
        """Every verb there is, with its input roles and output kinds."""
        return Response({"data": [presenting.operation_row(item) for item in all_operations().values()], "next": None})


class Detect(APIView):
    @extend_schema(
        operation_id="providers_detect",
        parameters=[
            OpenApiParameter("url", str, required=True, description="Any address, for example of a page or a result.")
        ],
        responses=Detected,
        tags=["catalogue"],
    )
    def get(self, request: Request) -> Response:
        """Which provider owns this address."""
        url = request.query_params.get("url", "").strip()
        if not url:
            raise serializers.ValidationError({"url": ["Needed: the address to look at."]})
        slug = registry.detect(url)
        found = registry.get(slug) if slug else None
        name = found.catalogue.name if found and found.catalogue else None
        return Response({"url": url, "provider": slug, "name": name})
