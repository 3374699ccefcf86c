"""What was asked for: every shape and field a person can get wrong is refused by name, before anything is written."""

from __future__ import annotations

import base64

import pytest
from django.utils import timezone
from scripted import CREDIT, fresh, open_house, png, text

from accounts import people
from accounts.errors import Refused
from generations import assets, orders, routing, specs
from generations.models import Asset, Generation
from providers.models import Capability, Provider
from providers.types import Done

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(db, monkeypatch):
    with open_house(monkeypatch) as made:
        yield made


def refused(call, *args, **kwargs) -> Refused:
    with pytest.raises(Refused) as caught:
        call(*args, **kwargs)
    return caught.value


# -- shape ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("body", [None, [], "text", 7, True])
def test_anything_but_an_object_is_malformed(body):
    assert (refused(orders.read, body).code, refused(orders.read, body).status) == ("malformed", 400)


WRONG = {
    "model": [None, "", 7, ["a"], {}, True],
    "operation": [7, [], True],
    "params": [None, [], "x", 7],
    "inputs": [None, {}, "x"],
    "account": [7, [], True],
    "fallbacks": [None, "mock/image", {}, [7], [None]],
    "mode": ["real", 7, []],
    "priority": [None, "1", 1.5, True, -101, 101, 10**30],
    "quote": [7, []],
    "metadata": [None, [], "x", {"long": "x" * 16_400}],
    "webhook_url": [7, [], "https://example.org"],
    "colour": ["red"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_field_is_named(name, value):
    error = refused(orders.read, {"model": "mock/image", name: value})
    assert list(error.fields) == [name]
    assert error.status == 422 and error.detail.startswith(f"{name}: ")


def test_all_wrong_fields_are_named_at_once():
    error = refused(orders.read, {"params": 7, "colour": 1})
    assert set(error.fields) == {"model", "params", "colour"}
    assert error.detail.endswith(" And 2 more.")


DEEP: dict = {}
for _ in range(900):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    "value",
    [
        "\x00",
        "half \ud83d",
        ["x\x00"],
        {"\x00": 1},
        {"a": [{"b": "\udc00"}]},
        float("nan"),
        float("inf"),
        [[-float("inf")]],
        DEEP,
    ],
)
@pytest.mark.parametrize("name", ["params", "metadata"])
def test_what_no_database_can_keep_is_refused(name, value):
    assert list(refused(orders.read, {"model": "mock/image", name: {"prompt": value}}).fields) == [name]


@pytest.mark.parametrize("name", ["model", "operation", "account", "quote"])
def test_a_nul_is_refused_in_every_text(name):
    assert list(refused(orders.read, {"model": "mock/image", name: "a\x00b"}).fields) == [name]


def test_whole_characters_and_written_escapes_are_kept(house):
    words = 'a 🏠 and the text \\u0000 and "quotes"'
    generation = house.make(params={"prompt": words}, metadata={"é": [1, 2.5, None, True]})
    assert fresh(generation).params == {"prompt": words}
    assert fresh(generation).metadata == {"é": [1, 2.5, None, True]}


def test_null_stands_for_left_out():
    order = orders.read(
        {"model": "m/x", "operation": None, "account": None, "mode": None, "quote": None, "webhook_url": None}
    )
    assert order == orders.Order(model="m/x")


def test_the_digest_is_of_the_order_and_not_of_its_quote():
    one = orders.read({"model": "m/x", "params": {"a": 1, "b": 2}})
    same = orders.read({"params": {"b": 2, "a": 1}, "model": "m/x", "quote": "t"})
    other = orders.read({"model": "m/x", "params": {"a": 1, "b": 3}})
    assert orders.digest(one) == orders.digest(same) != orders.digest(other)


# -- the model --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["scripted/nothing", "nobody/paint", "paint", "/", "scripted/", ""])
def test_an_unknown_model_is_refused(house, model):
    error = refused(lambda: house.make(model=model))
    assert list(error.fields) == ["model"]


def test_a_retired_model_names_its_replacement(house):
    assert refused(house.make, model="scripted/old").fields["model"] == [
        "scripted/old has been retired by its provider. Use scripted/paint."
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"enabled_override": False},
        {"missing": True},
        {"provider__enabled_override": False},
        {"provider__missing": True},
        {"provider__problem": "x"},
    ],
)
def test_what_is_switched_off_is_not_offered(house, change):
    own = {name: value for name, value in change.items() if "__" not in name}
    theirs = {name.removeprefix("provider__"): value for name, value in change.items() if "__" in name}
    Capability.objects.filter(provider__slug="scripted").update(**own or {"missing": False})
    Provider.objects.filter(slug="scripted").update(**theirs or {"missing": False})
    assert refused(house.make).fields["model"] == ["scripted/paint is not offered here at present."]


def test_an_operation_the_model_does_not_do_is_refused_with_those_it_does(house):
    assert refused(house.make, operation="text_to_video").fields == {
        "operation": ["scripted/paint does text_to_image, image_to_image."]
    }


def test_without_an_operation_the_inputs_say_which(house):
    picture = asset(house)
    assert house.make(operation=None).operation == "text_to_image"
    assert (
        house.make(operation=None, inputs=[{"role": "image", "asset": str(picture.pk)}]).operation == "image_to_image"
    )
    error = refused(house.make, operation=None, inputs=[{"role": "mask", "asset": str(picture.pk)}])
    assert error.fields == {"operation": ["Say which: text_to_image, image_to_image."]}


# -- rules ------------------------------------------------------------------------------------------------------------
def test_rules_choose_by_price_time_and_what_has_worked(house, monkeypatch):
    Provider.objects.exclude(slug="scripted").update(enabled_override=False)
    assert house.make(model="auto:cheapest").capability.model == "paint"
    assert house.make(model="auto:fastest").capability.model == "paint-fine"
    monkeypatch.setattr(routing.history, "success_share", lambda row: 0.9 if row.model == "paint-fine" else 0.5)
    assert house.make(model="auto:best").capability.model == "paint-fine"


def test_a_rule_passes_over_what_cannot_take_the_request(house):
    Provider.objects.exclude(slug="scripted").update(enabled_override=False)
    generation = house.make(model="auto:cheapest", operation="text_to_video", params={"prompt": "x", "duration": 3})
    assert generation.capability.model == "film"
    assert (
        refused(house.make, model="auto:cheapest", operation="text_to_video", params={"prompt": "x"}).code == "no_model"
    )


@pytest.mark.parametrize(
    ("more", "field"), [({"model": "auto:nicest"}, "model"), ({"model": "auto:best", "operation": None}, "operation")]
)
def test_a_rule_must_be_known_and_told_the_operation(house, more, field):
    assert list(refused(house.make, **more).fields) == [field]


# -- parameters and inputs --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "params.prompt"),
        ({"prompt": ""}, "params.prompt"),
        ({"prompt": 7}, "params.prompt"),
        ({"prompt": "x", "count": 5}, "params.count"),
        ({"prompt": "x", "count": "2"}, "params.count"),
        ({"prompt": "x", "colour": "red"}, "params.colour"),
    ],
)
def test_a_wrong_parameter_is_named(house, params, field):
    assert list(refused(house.make, params=params).fields) == [field]


def asset(house, workspace=None, data: bytes = b"", tmp="picture.png") -> Asset:
    class File:
        name = tmp

        def chunks(self):
            yield data or png()

    return assets.upload(File(), workspace=workspace or house.workspace, user=house.user)


def over(house, *inputs, **more) -> Generation:
    return house.make(operation="image_to_image", inputs=list(inputs), **more)


def test_inputs_are_assets_in_their_roles(house):
    picture = asset(house)
    generation = over(house, {"role": "image", "asset": str(picture.pk)})
    assert [(item.role, item.position, item.asset) for item in generation.inputs.all()] == [("image", 0, picture)]
    house.adapter.tell("submit", lambda job: Done(outputs=text(job.inputs[0].sha256)))
    house.run(generation)
    assert generation.assets.get().text == picture.blob.sha256


def test_a_data_address_is_kept_as_an_asset_first(house):
    generation = over(house, {"role": "image", "data": f"data:image/png;base64,{base64.b64encode(png()).decode()}"})
    assert generation.inputs.get().asset.origin == "uploaded"


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ("x", "inputs.0"),
        ({}, "inputs.0"),
        ({"role": "image"}, "inputs.0"),
        ({"role": 7, "asset": "x"}, "inputs.0"),
        ({"role": "image", "asset": "x", "url": "y"}, "inputs.0"),
        ({"role": "image", "asset": ["x"]}, "inputs.0"),
        ({"role": "image", "asset": "x", "weight": 1}, "inputs.0.weight"),
        ({"role": "image", "asset": "not an id"}, "inputs.0.asset"),
        ({"role": "image", "asset": "b9b8a2c2-8f3c-4e6d-9c39-0f4b1c5d2e11"}, "inputs.0.asset"),
        ({"role": "image", "data": "hello"}, "inputs.0.data"),
        ({"role": "image", "url": "http://127.0.0.1:1/x.png"}, "inputs.0.url"),
        ({"role": "image", "url": "file:///etc/passwd"}, "inputs.0.url"),
    ],
)
def test_a_wrong_input_is_named(house, item, field):
    assert list(refused(over, house, item).fields) == [field]


def test_inputs_of_another_workspace_or_removed_ones_are_not_found(house):
    other = people.make_workspace("Other", house.user)
    theirs, mine = asset(house, other), asset(house)
    Asset.objects.filter(pk=mine.pk).update(deleted_at=timezone.now())
    for found in (theirs, mine):
        error = refused(over, house, {"role": "image", "asset": str(found.pk)})
        assert error.fields == {"inputs.0.asset": ["This workspace has no such asset."]}


def test_roles_numbers_and_types_are_those_of_the_operation(house):
    picture = {"role": "image", "asset": str(asset(house).pk)}
    words = {"role": "image", "asset": str(asset(house, data=b"plain words", tmp="a.txt").pk)}
    mask = {**picture, "role": "mask"}
    for inputs in ([], [picture, picture], [words], [picture, mask]):
        assert any(name.startswith("inputs") for name in refused(over, house, *inputs).fields), inputs


def test_fifty_inputs_are_enough(house):
    assert list(refused(over, house, *[{"role": "image", "asset": "x"}] * 51).fields) == ["inputs"]


# -- who serves it ----------------------------------------------------------------------------------------------------
def test_a_pinned_account_must_be_one_of_the_workspace_at_this_provider(house):
    other = people.make_workspace("Other", house.user)
    theirs = house.login("Theirs", workspace=other)
    gone = house.login("Gone", deleted_at=timezone.now())
    house.provider("understudy")
    elsewhere = house.login("Elsewhere", slug="understudy")
    for account in (theirs, gone, elsewhere):
        assert list(refused(house.make, account=str(account.pk)).fields) == ["account"]
    assert list(refused(house.make, account="x").fields) == ["account"]
    mine = house.login("Mine", workspace=house.workspace)
    assert house.make(account=str(mine.pk)).pinned == mine


def test_a_fallback_must_exist_and_be_able_to_take_the_request(house):
    assert list(refused(house.make, fallbacks=["scripted/nothing"]).fields) == ["fallbacks"]
    assert list(refused(house.make, fallbacks=["scripted/film"]).fields) == ["fallbacks"]
    assert "fallbacks" in refused(house.make, model="mock/image", fallbacks=["scripted/paint"]).fields, (
        "one mode for all"
    )
    error = refused(house.make, params={"prompt": "x", "count": 2}, fallbacks=["scripted/metered"])
    assert error.fields["fallbacks"][0].startswith("scripted/metered cannot take this: params.count")


@pytest.mark.parametrize(
    ("order", "workspace", "provider", "site", "mode"),
    [
        (None, None, None, "live", "live"),
        (None, None, None, "mock", "mock"),
        (None, None, "simulated", "mock", "simulated"),
        (None, "mock", "simulated", "live", "mock"),
        ("live", "mock", "simulated", "mock", "live"),
    ],
)
def test_the_mode_is_the_generation_s_the_workspace_s_the_provider_s_the_site_s(
    house, settings, order, workspace, provider, site, mode
):
    settings.MEDIAGEN_MODE = site
    house.workspace.mode_override = workspace
    house.workspace.save()
    Provider.objects.filter(slug="scripted").update(mode_override=provider)
    generation = house.make(mode=order)
    assert (generation.mode, generation.held_micros) == (mode, 5 * CREDIT if mode == "live" else 0)
    assert generation.step.cluster == ("io" if mode == "mock" else "default")


def test_the_mock_is_a_mock_whatever_was_asked(house):
    assert house.make(model="mock/image", mode="live").mode == "mock"
    assert house.make(model="mock/image", mode="live").held_micros > 0


# -- prints -----------------------------------------------------------------------------------------------------------
def test_the_fingerprint_is_of_capability_parameters_and_bytes(house):
    first, second = asset(house), asset(house)
    other = asset(house, data=png("blue"))
    prints = [over(house, {"role": "image", "asset": str(item.pk)}).fingerprint for item in (first, second, other)]
    assert prints[0] == prints[1] != prints[2]
    assert (
        house.make(priority=1).fingerprint
        == house.make(metadata={"a": 1}).fingerprint
        != house.make(params={"prompt": "y"}).fingerprint
    )


def test_the_order_of_a_finished_generation_can_be_made_again(house):
    picture = asset(house)
    mine = house.login("Mine", workspace=house.workspace)
    generation = over(
        house, {"role": "image", "asset": str(picture.pk)}, account=str(mine.pk), metadata={"a": 1}, priority=4
    )
    again = orders.again(generation)
    assert (again.model, again.operation, again.account, again.priority) == (
        "scripted/paint",
        "image_to_image",
        str(mine.pk),
        4,
    )
    assert orders.prepare(again, house.workspace, house.user).fingerprint == generation.fingerprint


def test_an_operator_s_label_and_price_lie_over_the_catalogue_s(house):
    row = house.capability()
    Capability.objects.filter(pk=row.pk).update(
        label_override="Ours", price_override={"kind": "fixed", "credit": "usd", "rate": "1"}
    )
    spec = specs.of(house.capability())
    assert (spec.label, spec.price["kind"]) == ("Ours", "fixed")
    assert specs.of(row).label == "Paint"
    assert house.make().quoted_micros == 100 * CREDIT
