"""Prices in wallet credits, the promise a quote is, and the receipt of what was really used."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from django.core import signing
from scripted import CREDIT, fresh, last, later, open_house, text

from accounts import ledger
from accounts.errors import Refused
from accounts.models import Exchange, ProviderAccount
from generations import orders, quoting
from providers.models import Capability, Provider
from providers.types import Done, Usage

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def house(db, monkeypatch):
    with open_house(monkeypatch) as made:
        yield made


def refused(call, *args, **kwargs) -> Refused:
    with pytest.raises(Refused) as caught:
        call(*args, **kwargs)
    return caught.value


def quote(house, **more) -> str:
    order = house.order(**more)
    ready = orders.prepare(order, house.workspace, house.user)
    return quoting.token(ready.price, orders.digest(order))[0]


def reprice(rate: str) -> None:
    Capability.objects.filter(model="paint").update(price_override={"kind": "per_image", "credit": "usd", "rate": rate})


# -- prices -----------------------------------------------------------------------------------------------------------
def test_a_price_is_lines_in_wallet_credits_and_a_cost_in_the_account_s_own(house):
    price = quoting.price(house.capability(), {"prompt": "x", "count": 3})
    assert (price.amount, price.cost, price.credit_type, price.exact) == (15 * CREDIT, 150_000, "usd", True)
    assert price.lines == ({"label": "3 images × 0.05", "amount": "15.000000"},)
    assert price.to_dict()["amount"] == "15.000000"


def test_a_price_told_afterwards_is_quoted_at_its_most(house):
    price = quoting.price(house.capability("metered"), {"prompt": "x"})
    assert (price.amount, price.exact) == (50 * CREDIT, False)
    assert quoting.typical(house.capability("metered")).amount == 12 * CREDIT


def test_an_operator_s_exchange_and_mark_up_come_before_the_catalogue_s(house):
    row, provider = house.capability(), Provider.objects.get(slug="scripted")
    Exchange.objects.create(provider=None, credit_type="usd", credits=Decimal(200))
    assert quoting.price(row, {}).amount == 10 * CREDIT
    Exchange.objects.create(provider=provider, credit_type="usd", credits=Decimal(50), markup_percent=Decimal("10"))
    assert quoting.price(row, {}).amount == 2_750_000
    assert quoting.price(row, {}).cost == 50_000, "what the account pays stays what it is"


def test_each_line_is_rounded_up_to_a_millionth(house):
    Exchange.objects.create(provider=None, credit_type="usd", credits=Decimal("33.333333"))
    assert quoting.price(house.capability(), {}).amount == 1_666_667


def test_a_version_changes_with_rule_exchange_and_mark_up(house):
    versions = {quoting.price(house.capability(), {}).version}
    reprice("0.06")
    versions.add(quoting.price(house.capability(), {}).version)
    rate = Exchange.objects.create(provider=None, credit_type="usd", credits=Decimal(100))
    Exchange.objects.filter(pk=rate.pk).update(markup_percent=5)
    versions.add(quoting.price(house.capability(), {}).version)
    assert len(versions) == 3
    assert quoting.price(house.capability(), {"count": 3}).version in versions, "it does not depend on what is asked"


def test_a_plan_makes_it_cheaper_for_the_account(house):
    rule = {"kind": "fixed", "credit": "usd", "rate": "1", "factors": [{"plan": {"pro": "0.5"}}]}
    Capability.objects.filter(model="paint").update(price_override=rule)
    ProviderAccount.objects.filter(pk=house.account.pk).update(plan="pro")
    generation = house.make()
    house.adapter.tell("submit", Done(outputs=text(), remote_id="r"))
    house.run(generation)
    assert (fresh(generation).charged_micros, house.pool()) == (100 * CREDIT, (99_500_000, 0))


# -- the promise ------------------------------------------------------------------------------------------------------
def test_a_quote_is_kept_for_a_quarter_of_an_hour(house):
    token = quote(house)
    with later(14 * 60):
        assert house.make(quote=token).quoted_micros == 5 * CREDIT
    with later(15 * 60 + 5):
        error = refused(house.make, quote=token)
    assert (error.code, error.status, list(error.fields)) == ("quote_expired", 409, ["quote"])


def test_a_quote_holds_against_a_risen_price_by_refusing(house):
    token = quote(house)
    reprice("0.06")
    error = refused(house.make, quote=token)
    assert (error.code, error.detail) == (
        "quote_outdated",
        "The price has risen to 6.000000 credits. Ask for a new quote.",
    )


def test_a_price_that_fell_meanwhile_is_the_one_that_is_held(house):
    token = quote(house)
    reprice("0.04")
    assert house.make(quote=token).held_micros == 4 * CREDIT


def test_a_quote_is_for_one_request_only(house):
    error = refused(house.make, quote=quote(house), params={"prompt": "another"})
    assert (error.code, error.detail.partition(".")[0]) == ("quote_invalid", "This quote is for another request")


@pytest.mark.parametrize("token", ["x", "a:b:c", "é", ":::", "a" * 5000])
def test_a_token_that_was_not_made_here_is_refused(house, token):
    assert refused(house.make, quote=token).code == "quote_invalid"


def test_a_signature_from_elsewhere_in_the_house_is_no_quote(house):
    token = signing.TimestampSigner(salt="mediagen.files").sign_object({"amount": 1, "digest": "x"})
    assert refused(house.make, quote=token).code == "quote_invalid"


def test_a_token_with_an_end_that_was_changed_is_refused(house):
    token = quote(house)
    assert refused(house.make, quote=token[:-1] + ("A" if token[-1] != "A" else "B")).code == "quote_invalid"


def test_a_quote_is_told_with_its_end(house):
    order = house.order()
    ready = orders.prepare(order, house.workspace, house.user)
    until = quoting.token(ready.price, orders.digest(order))[1]
    assert 14 * 60 < until.timestamp() - time.time() <= 15 * 60


# -- usage and receipt ------------------------------------------------------------------------------------------------
def test_usage_survives_being_stored():
    usage = Usage(seconds=Decimal("4.5"), count=2, cost=Decimal("0.123456"), credit_type="usd", charged=False)
    stored = quoting.usage_dict(usage)
    assert stored == {"seconds": "4.5", "count": 2, "cost": "0.123456", "credit_type": "usd", "charged": False}
    assert quoting.read_usage(stored) == usage
    assert quoting.usage_dict(Usage()) == {}


def test_an_attempt_without_an_account_cost_nobody_anything(house):
    generation = house.make(mode="mock")
    house.run(generation)
    assert (last(generation).cost_micros, quoting.account_cost(last(generation), Usage(cost=Decimal(9)))) == (0, 0)


def test_the_wallet_is_billed_in_what_the_provider_reports(house):
    generation = house.make(model="scripted/metered")
    house.adapter.tell(
        "submit", Done(outputs=text(), remote_id="r", usage=Usage(cost=Decimal("0.123456789"), credit_type="usd"))
    )
    house.run(generation)
    assert fresh(generation).charged_micros == 12_345_700
    assert house.pool() == (100 * CREDIT - 123_457, 0)
    assert fresh(generation).receipt["lines"] == [{"label": "As the provider reports", "amount": "12.345700"}]


def test_exchange_rows_for_one_provider_leave_the_others_alone(house):
    house.provider("understudy")
    Exchange.objects.create(provider=Provider.objects.get(slug="understudy"), credit_type="usd", credits=Decimal(1))
    assert ledger.exchange(Provider.objects.get(slug="scripted"), "usd").credits == 100
    assert ledger.exchange(Provider.objects.get(slug="scripted"), "nothing").credits == 1
