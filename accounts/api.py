"""The wallet and its ledger, read only; the workspace's API keys, whose secrets are shown once and never again."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from . import keys, ledger, reading
from .errors import Refused, field_errors
from .models import ApiKey, Entry
from .models.keys import SCOPES
from .money import read_amount, show
from .people import acting_workspace


class WalletRow(serializers.Serializer):
    unit = serializers.CharField()
    balance = serializers.CharField()
    held = serializers.CharField()
    available = serializers.CharField()


class EntryRow(serializers.Serializer):
    id = serializers.IntegerField()
    object = serializers.CharField()
    kind = serializers.ChoiceField([key for key, _ in Entry.KINDS])
    amount = serializers.CharField(help_text="Change of the balance.")
    held_change = serializers.CharField()
    balance_after = serializers.CharField(allow_null=True)
    held_after = serializers.CharField()
    reference = serializers.UUIDField(allow_null=True, help_text="The generation it is for.")
    note = serializers.CharField()
    created_at = serializers.DateTimeField()

    def to_representation(self, entry: Entry) -> dict[str, Any]:
        return {
            "id": entry.pk,
            "object": "entry",
            "kind": entry.kind,
            "amount": show(entry.amount),
            "held_change": show(entry.held_change),
            "balance_after": show(entry.balance_after),
            "held_after": show(entry.held_after),
            "reference": str(entry.reference) if entry.reference else None,
            "note": entry.note,
            "created_at": _moment(entry.created_at),
        }


class KeyRow(serializers.Serializer):
    id = serializers.CharField()
    object = serializers.CharField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="What the key begins with.")
    user = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES))
    rate_per_minute = serializers.IntegerField(allow_null=True)
    budget = serializers.CharField(allow_null=True, help_text="Most credits it may have held and spent.")
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()

    def to_representation(self, key: ApiKey) -> dict[str, Any]:
        return {
            "id": key.prefix,
            "object": "api_key",
            "name": key.name,
            "prefix": f"mg_{key.prefix}",
            "user": key.user.get_username(),
            "scopes": key.scopes,
            "rate_per_minute": key.rate_per_minute,
            "budget": show(key.budget_micros),
            "expires_at": _moment(key.expires_at),
            "last_used_at": _moment(key.last_used_at),
            "created_at": _moment(key.created_at),
        }


class NewKey(KeyRow):
    secret = serializers.CharField(help_text="The whole key. Shown only now.")


class KeyBody(serializers.Serializer):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(SCOPES), required=False, help_text="read and submit when left out."
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    rate_per_minute = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    budget = serializers.CharField(required=False, allow_null=True, help_text="Credits.")


def _moment(value: Any) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value else None


class Wallet(APIView):
    @extend_schema(operation_id="wallet_read", responses=WalletRow, tags=["wallet"])
    def get(self, request: Request) -> Response:
        """What the workspace has, what is held for work under way, and what is left."""
        pool = ledger.wallet(acting_workspace(request))
        balance = pool.balance or 0
        return Response(
            {
                "unit": "credit",
                "balance": show(balance),
                "held": show(pool.held),
                "available": show(balance - pool.held),
            }
        )


class Ledger(ListAPIView):
    serializer_class = EntryRow
    keyset = ("-id",)

    def get_queryset(self) -> QuerySet[Entry]:
        asked = self.request.query_params
        kind = reading.choice(asked, "kind", [key for key, _ in Entry.KINDS])
        rows = ledger.wallet(acting_workspace(self.request)).entries.all()
        rows = rows.filter(kind=kind) if kind else rows
        reference = asked.get("reference")
        return rows.filter(reference=serializers.UUIDField().run_validation(reference)) if reference else rows

    @extend_schema(
        operation_id="ledger_list",
        tags=["wallet"],
        parameters=[
            OpenApiParameter("kind", str, enum=[key for key, _ in Entry.KINDS]),
            OpenApiParameter("reference", OpenApiTypes.UUID, description="Lines of this generation."),
        ],
    )
    def get(self, request: Request) -> Response:
        """Every line of the wallet, newest first."""
        return super().get(request)


class Keys(ListAPIView):
    serializer_class = KeyRow
    scopes = {"GET": "admin", "POST": "admin"}

    def get_queryset(self) -> QuerySet[ApiKey]:
        return ApiKey.objects.filter(workspace=acting_workspace(self.request), revoked_at__isnull=True).select_related(
            "user"
        )

    @extend_schema(operation_id="api_keys_list", tags=["keys"])
    def get(self, request: Request) -> Response:
        """The workspace's keys, without their secrets."""
        return super().get(request)

    @extend_schema(operation_id="api_keys_create", request=KeyBody, responses={201: NewKey}, tags=["keys"])
    def post(self, request: Request) -> Response:
        """Make a key; its secret is in this answer and nowhere else."""
        body = reading.body(request.data, "name", "scopes", "expires_at", "rate_per_minute", "budget")
        scopes = _scopes(body, request)
        key, secret = keys.issue(
            workspace=acting_workspace(request),
            user=request.user,
            name=reading.text(body, "name"),
            scopes=scopes,
            expires_at=reading.moment(body, "expires_at"),
            rate_per_minute=reading.whole(body, "rate_per_minute", least=1, most=100_000),
            budget_micros=read_amount(reading.text(body, "budget"), field="budget")
            if body.get("budget") is not None
            else None,
        )
        row = {**KeyRow().to_representation(key), "secret": secret}
        return Response(row, status=201, headers={"Cache-Control": "no-store"})


def _scopes(body: dict[str, Any], request: Request) -> list[str]:
    """A key can hand on only what it holds itself; `admin` holds everything."""
    wanted = body.get("scopes", ["read", "submit"])
    if not isinstance(wanted, list) or not all(isinstance(scope, str) for scope in wanted):
        raise field_errors({"scopes": [f"Write a list of: {', '.join(SCOPES)}."]})
    held = request.auth.scopes if isinstance(request.auth, ApiKey) else SCOPES
    if "admin" not in held and not set(wanted) <= set(held):
        raise Refused("scope", "A key cannot give scopes it lacks itself.", status=403)
    return wanted


class KeyDetail(APIView):
    scopes = {"GET": "admin", "DELETE": "admin"}

    @extend_schema(operation_id="api_keys_read", responses=KeyRow, tags=["keys"])
    def get(self, request: Request, prefix: str) -> Response:
        """One key, without its secret."""
        return Response(KeyRow().to_representation(self._mine(request, prefix)))

    @extend_schema(operation_id="api_keys_delete", responses={204: None}, tags=["keys"])
    def delete(self, request: Request, prefix: str) -> Response:
        """Refuse this key from now on."""
        keys.revoke(self._mine(request, prefix))
        return Response(status=204)

    def _mine(self, request: Request, prefix: str) -> ApiKey:
        own = ApiKey.objects.filter(workspace=acting_workspace(request), revoked_at__isnull=True)
        key = own.select_related("user").filter(prefix=prefix.removeprefix("mg_")).first()
        if key is None:
            raise NotFound
        return key
