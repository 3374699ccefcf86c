"""The shapes of bodies and answers, for OpenAPI; what fills them is generations/presenting.py."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from generations import presenting
from generations.lifecycle.settling import VERDICTS
from generations.models.assets import KINDS
from generations.models.generations import Status
from generations.orders import MODES

ANY = {"type": "object", "additionalProperties": True}


@extend_schema_field(ANY)
class Free(serializers.JSONField):
    """An object whose fields the model or the caller decides."""


class Row(serializers.Serializer):
    """Documents a row; the row itself is made by presenting, for a whole list at once."""

    def to_representation(self, instance: Any) -> Any:
        return instance


class OutputRow(Row):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField([key for key, _ in KINDS])
    mime = serializers.CharField()
    bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)
    text = serializers.CharField(allow_null=True, help_text="Up to 64 kB of a text output.")
    facts = Free(help_text="What the kind knows: fps, codec, sample rate, words …")
    url = serializers.CharField()
    thumbnail_url = serializers.CharField(allow_null=True)


class AssetRow(OutputRow):
    object = serializers.CharField()
    name = serializers.CharField()
    role = serializers.CharField()
    origin = serializers.ChoiceField(["generated", "uploaded", "imported"])
    favourite = serializers.BooleanField()
    generation = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()

    def to_representation(self, instance: Any) -> Any:
        return presenting.asset_row(instance)


class QueueRow(Row):
    position = serializers.IntegerField(allow_null=True, help_text="1 is next; null far back.")


class UsedInput(Row):
    role = serializers.CharField()
    asset = serializers.UUIDField()


class CostRow(Row):
    unit = serializers.CharField()
    quoted = serializers.CharField()
    held = serializers.CharField()
    charged = serializers.CharField(allow_null=True)


class ErrorRow(Row):
    code = serializers.CharField()
    message = serializers.CharField()
    retryable = serializers.BooleanField()


class GenerationRow(Row):
    id = serializers.UUIDField()
    object = serializers.CharField()
    status = serializers.ChoiceField(Status.values)
    progress = serializers.FloatField(allow_null=True)
    note = serializers.CharField()
    unknown = serializers.BooleanField(help_text="The answer to its submit was lost and is being settled.")
    queue = QueueRow(allow_null=True)
    expected_at = serializers.DateTimeField(allow_null=True)
    model = serializers.CharField()
    provider = serializers.CharField()
    operation = serializers.CharField()
    mode = serializers.ChoiceField(MODES)
    params = Free()
    inputs = UsedInput(many=True)
    metadata = Free()
    outputs = OutputRow(many=True)
    cost = CostRow()
    error = ErrorRow(allow_null=True)
    attempts = serializers.IntegerField()
    retry_of = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class EventRow(Row):
    id = serializers.IntegerField()
    object = serializers.CharField()
    generation = serializers.UUIDField()
    kind = serializers.CharField()
    status = serializers.CharField(allow_null=True)
    data = Free()
    at = serializers.DateTimeField()

    def to_representation(self, instance: Any) -> Any:
        return presenting.event_row(instance)


class LineRow(Row):
    label = serializers.CharField()
    amount = serializers.CharField()


class QuoteRow(Row):
    amount = serializers.CharField()
    unit = serializers.CharField()
    lines = LineRow(many=True)
    exact = serializers.BooleanField(help_text="When false, amount is the most it can cost.")
    model = serializers.CharField()
    operation = serializers.CharField()
    expected_seconds = serializers.FloatField(allow_null=True)
    token = serializers.CharField(help_text="Send it as `quote` with the generation to be held to this price.")
    expires_at = serializers.DateTimeField()


# -- bodies -----------------------------------------------------------------------------------------------------------
class GivenInput(serializers.Serializer):
    role = serializers.CharField()
    asset = serializers.UUIDField(required=False)
    url = serializers.CharField(required=False)
    data = serializers.CharField(required=False, help_text="A data: address.")


class OrderBody(serializers.Serializer):
    model = serializers.CharField(
        help_text="provider/model, or auto:cheapest, auto:fastest, auto:best with an operation."
    )
    operation = serializers.CharField(required=False, allow_null=True)
    params = Free(required=False)
    inputs = GivenInput(many=True, required=False)
    account = serializers.UUIDField(required=False, allow_null=True)
    fallbacks = serializers.ListField(child=serializers.CharField(), required=False)
    mode = serializers.ChoiceField(MODES, required=False, allow_null=True)
    priority = serializers.IntegerField(required=False, min_value=-100, max_value=100)
    quote = serializers.CharField(required=False, allow_null=True)
    metadata = Free(required=False)
    webhook_url = serializers.CharField(required=False, allow_null=True)


class SettleBody(serializers.Serializer):
    verdict = serializers.ChoiceField(VERDICTS)
    remote_id = serializers.CharField(required=False, help_text="The provider's id of the job, with `arrived`.")


class UrlBody(serializers.Serializer):
    url = serializers.CharField(help_text="Fetched by us, through the guard, and kept.")


class UploadBody(serializers.Serializer):
    file = serializers.FileField()
    name = serializers.CharField(required=False)


# -- catalogue --------------------------------------------------------------------------------------------------------
class LifecycleRow(Row):
    status = serializers.ChoiceField(["available", "deprecated", "retired"])
    retires_on = serializers.DateField(allow_null=True)
    replaced_by = serializers.CharField(allow_null=True, help_text="A model id.")
    checked = serializers.CharField(allow_null=True)


class ModelRow(Row):
    id = serializers.CharField(help_text="provider/model")
    object = serializers.CharField()
    provider = serializers.CharField()
    label = serializers.CharField()
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True, help_text="Why it cannot be used now.")
    lifecycle = LifecycleRow()
    operations = Free(
        help_text="By operation: label, parameters (JSON Schema), inputs, outputs, price, limits, expected_seconds."
    )


class CredentialRow(Row):
    name = serializers.CharField()
    label = serializers.CharField()
    required = serializers.BooleanField()
    help = serializers.CharField()


class CreditTypeRow(Row):
    key = serializers.CharField()
    label = serializers.CharField()


class ProviderRow(Row):
    id = serializers.CharField()
    object = serializers.CharField()
    name = serializers.CharField()
    environment = serializers.ChoiceField(["remote", "local", "builtin"])
    description = serializers.CharField()
    website = serializers.CharField()
    docs = serializers.CharField()
    version = serializers.CharField()
    checked = serializers.CharField()
    domains = serializers.ListField(child=serializers.CharField())
    enabled = serializers.BooleanField()
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True)
    health = serializers.CharField()
    credentials = CredentialRow(many=True)
    credit_types = CreditTypeRow(many=True)
    captures = serializers.BooleanField(help_text="Whether a browser session can be connected.")
    operations = serializers.ListField(child=serializers.CharField())
    models = serializers.ListField(child=serializers.CharField())


class VideoCapabilities(Row):
    max_duration_seconds = serializers.FloatField()
    max_resolution = serializers.ListField(child=serializers.IntegerField(), min_length=2, max_length=2)
    supports_image_input = serializers.BooleanField()
    supported_formats = serializers.ListField(child=serializers.CharField())
    cost_per_second = serializers.FloatField(help_text="Dollars.")
    image_cost_multiplier = serializers.FloatField()
    model_versions = serializers.ListField(child=serializers.CharField())
    features = serializers.ListField(child=serializers.CharField())
    supported_resolutions = serializers.ListField(child=serializers.CharField())
    supported_aspect_ratios = serializers.ListField(child=serializers.CharField())


class VideoProviderRow(Row):
    type = serializers.CharField()
    name = serializers.CharField()
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True)
    is_active = serializers.BooleanField()
    is_healthy = serializers.BooleanField()
    failure_count = serializers.IntegerField()
    capabilities = VideoCapabilities()
