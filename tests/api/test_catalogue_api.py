"""Operations, providers and models: the rows, the filters, and why something is not available."""

from __future__ import annotations

import pytest

from accounts.models import ProviderAccount
from providers.models import Capability, Provider

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(api, alice, studio_space):
    return api(alice)


@pytest.fixture
def acme(db):
    """A remote provider with one film model and no account."""
    provider = Provider.objects.create(
        slug="acme",
        name="Acme",
        kind="remote",
        catalogue={
            "domains": ["acme.example"],
            "credentials": [{"name": "api_key", "label": "API key", "required": True, "secret": True}],
            "credit_types": [{"key": "usd", "label": "US dollars", "credits": "100"}],
        },
    )
    schema = {
        "type": "object",
        "properties": {
            "prompt": {"type": "string", "x-maps-to": "input.prompt"},
            "duration": {"type": "integer", "enum": [5, 10], "default": 5},
            "resolution": {"type": "string", "enum": ["720p", "1080p"]},
        },
        "required": ["prompt"],
    }
    spec = {
        "model": "deep/film",
        "operation": "image_to_video",
        "label": "Film",
        "schema": schema,
        "inputs": [
            {"role": "first_frame", "kinds": ["image"], "min": 1, "max": 1, "mime": [], "maps_to": "input.image"}
        ],
        "outputs": ["video"],
        "price": {
            "kind": "per_second",
            "credit": "usd",
            "rate": "0.04",
            "factors": [{"input": "first_frame", "factor": "1.3"}],
        },
        "lifecycle": {"status": "available", "retires_on": None, "replaced_by": "film-2", "checked": "2026-11-21"},
        "traits": {},
    }
    Capability.objects.create(
        provider=provider,
        model="deep/film",
        operation="image_to_video",
        label="Film",
        output_kind="video",
        spec=spec,
        spec_hash="1",
    )
    return provider


def test_operations_name_their_roles_and_outputs(client):
    rows = {row["id"]: row for row in client.get("/api/v1/operations").json()["data"]}
    assert rows["text_to_video"]["outputs"] == ["video"]
    assert [role["role"] for role in rows["image_to_video"]["inputs"]] == ["first_frame", "last_frame"]


def test_a_model_row_is_as_the_contract_says(client):
    row = client.get("/api/v1/models/mock/video").json()
    assert set(row) == {"id", "object", "provider", "label", "available", "reason", "lifecycle", "operations"}
    assert (row["id"], row["object"], row["provider"]) == ("mock/video", "model", "mock")
    assert (row["available"], row["reason"]) == (True, None)
    assert set(row["lifecycle"]) == {"status", "retires_on", "replaced_by", "checked"}
    film = row["operations"]["text_to_video"]
    assert film["parameters"]["type"] == "object"
    assert "prompt" in film["parameters"]["required"]
    assert film["price"] == {"kind": "per_second", "unit": "credit", "typical": "20.000000"}
    assert film["outputs"] == ["video"]
    assert {"label", "inputs", "limits", "expected_seconds"} <= set(film)


def test_lists_hold_the_same_rows_as_the_detail(client):
    rows = {row["id"]: row for row in client.get("/api/v1/models").json()["data"]}
    assert rows["mock/video"] == client.get("/api/v1/models/mock/video").json()


def test_how_a_field_travels_to_the_provider_is_not_told(client, acme):
    assert "maps" not in client.get("/api/v1/models/acme/deep/film").content.decode()


def test_a_model_id_may_hold_slashes_and_a_reason_says_why_not(client, acme):
    row = client.get("/api/v1/models/acme/deep/film").json()
    assert row["available"] is False
    assert "No Acme account is connected" in row["reason"]
    assert row["lifecycle"]["replaced_by"] == "acme/film-2"


def test_filters_of_models(client, acme):
    def ids(query: str) -> set[str]:
        return {row["id"] for row in client.get(f"/api/v1/models?{query}").json()["data"]}

    assert ids("provider=acme") == {"acme/deep/film"}
    assert ids("environment=remote") == {"acme/deep/film"}
    assert "acme/deep/film" in ids("operation=image_to_video")
    assert "acme/deep/film" not in ids("operation=text_to_image")
    assert "mock/image" in ids("kind=image") and "mock/video" not in ids("kind=image")
    assert ids("q=acme film") == {"acme/deep/film"}
    assert ids("q=nothing-like-it") == set()
    assert client.get("/api/v1/models?environment=moon").status_code == 422


def test_models_come_in_pages(client):
    every = [row["id"] for row in client.get("/api/v1/models").json()["data"]]
    first = client.get("/api/v1/models?limit=3").json()
    second = client.get(f"/api/v1/models?limit=200&cursor={first['next']}").json()
    assert [row["id"] for row in first["data"] + second["data"]] == every
    assert every == sorted(every)


def test_the_list_costs_the_same_however_many_models_there_are(client, django_assert_max_num_queries):
    client.get("/api/v1/models")
    for path in ("models", "models/mock/video", "providers", "videos/providers"):
        with django_assert_max_num_queries(9):
            client.get(f"/api/v1/{path}")


def test_a_provider_row_holds_no_secret_and_says_what_it_needs(client, acme):
    row = client.get("/api/v1/providers/acme").json()
    assert (row["id"], row["environment"], row["available"]) == ("acme", "remote", False)
    assert row["credentials"] == [{"name": "api_key", "label": "API key", "required": True, "help": ""}]
    assert row["models"] == ["acme/deep/film"]
    assert client.get("/api/v1/providers/nobody").status_code == 404
    assert [row["id"] for row in client.get("/api/v1/providers?environment=remote").json()["data"]] == ["acme"]


def test_availability_follows_the_accounts_of_the_workspace(api, client, acme, charlie, studio_space):
    from accounts import secrets

    account = ProviderAccount.objects.create(provider=acme, workspace=studio_space, label="Ours")
    assert client.get("/api/v1/providers/acme").json()["reason"] == "The account Ours lacks api_key."
    secrets.store(account, "api_key", "sk-long-enough-to-be-one")
    assert client.get("/api/v1/providers/acme").json()["available"] is True
    assert api(charlie).get("/api/v1/providers/acme").json()["available"] is False
    ProviderAccount.objects.update(status="auth_required")
    assert client.get("/api/v1/models/acme/deep/film").json()["reason"] == "The account Ours needs signing in again."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"enabled_override": False}, "switched off"),
        ({"problem": "boom"}, "could not be loaded"),
        ({"mode_override": "simulated"}, None),
    ],
)
def test_what_the_operator_set_decides_first(client, acme, changes, words):
    Provider.objects.filter(pk=acme.pk).update(**changes)
    row = client.get("/api/v1/models/acme/deep/film").json()
    assert row["available"] is (words is None)
    assert words is None or words in row["reason"]


def test_a_retired_model_names_what_to_use_instead(client, acme):
    Capability.objects.filter(provider=acme).update(lifecycle="retired")
    row = client.get("/api/v1/models/acme/deep/film").json()
    assert row["reason"] == "acme/deep/film has been retired by its provider. Use acme/film-2."


def test_detect_names_the_owner_of_an_address(client):
    assert client.get("/api/v1/providers/detect?url=https://example.org/x").json()["provider"] is None
    assert client.get("/api/v1/providers/detect").status_code == 422


def test_video_providers_are_flat_capability_dictionaries(client, acme):
    rows = {row["type"]: row for row in client.get("/api/v1/videos/providers").json()["data"]}
    assert set(rows["mock"]) == {
        "type",
        "name",
        "available",
        "reason",
        "is_active",
        "is_healthy",
        "failure_count",
        "capabilities",
    }
    assert rows["mock"]["available"] is True
    assert "local" not in rows
    film = rows["acme"]
    assert film["available"] is False and film["reason"]
    assert film["capabilities"] == {
        "max_duration_seconds": 10,
        "max_resolution": [1920, 1080],
        "supports_image_input": True,
        "supported_formats": ["mp4"],
        "cost_per_second": 0.04,
        "image_cost_multiplier": 1.3,
        "model_versions": ["deep/film"],
        "features": ["image-to-video"],
        "supported_resolutions": ["720p", "1080p"],
        "supported_aspect_ratios": [],
    }
