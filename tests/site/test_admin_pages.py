"""The admin's pages open, show no secret, and change nothing but through the rooms' verbs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from accounts import keys, ledger, people, secrets
from accounts.models import ApiKey, Credential, Entry, Exchange, Lease, ProviderAccount, SignInLink
from generations import lifecycle, orders
from generations.models import Attempt, Event, Generation, Pulse
from generations.models.generations import State, Status
from providers.models import Capability, Provider, RateBucket

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
SECRET = "sk-never-to-be-seen-again-4711"


@pytest.fixture
def account(staff: Any) -> ProviderAccount:
    provider = Provider.objects.get(slug="mock")
    made = ProviderAccount.objects.create(provider=provider, label="Team key", created_by=staff)
    secrets.store(made, "token", SECRET)
    return made


@pytest.fixture
def queued(alice: Any, studio_space: Any) -> Generation:
    order = orders.read({"model": "mock/image", "params": {"prompt": "a lighthouse at dusk"}})
    return lifecycle.create(order=order, workspace=studio_space, user=alice)[0]


@pytest.fixture
def unknown(queued: Generation, account: ProviderAccount) -> Generation:
    """Its submit's answer was lost: set up as a worker would have left it."""
    now = timezone.now()
    Attempt.objects.create(
        generation=queued, number=1, capability=queued.capability, account=account, state=State.UNKNOWN, created_at=now
    )
    Generation.objects.filter(pk=queued.pk).update(status=Status.SUBMITTING, unknown=True)
    Event.objects.create(workspace=queued.workspace, generation=queued, kind="status", status="submitting", at=now)
    queued.refresh_from_db()
    return queued


@pytest.fixture
def one_of_each(account: ProviderAccount, unknown: Generation, alice: Any) -> None:
    keys.signin_link(alice)
    keys.issue(workspace=unknown.workspace, user=alice, name="script")
    Exchange.objects.create(credit_type="studio", credits="2")
    RateBucket.objects.create(key="account:1")
    Pulse.objects.create(cluster="io", at=1.0)
    Lease.objects.create(account=account, attempt=unknown.pk, slot=0, expires_at=timezone.now())
    ledger.sync(ledger.account_pool(account, "studio"), balance=5_000_000, key="first")


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:{name}", args=args)


def models() -> list[Any]:
    return sorted(admin.site._registry, key=lambda model: model._meta.label)


# -- every page ----------------------------------------------------------------------------------------------------------
def test_every_list_form_and_row_opens(staff_client: Any, one_of_each: None) -> None:
    for model in models():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        assert staff_client.get(page(f"{name}_changelist")).status_code == 200, name
        assert staff_client.get(page(f"{name}_changelist"), {"q": "x"}).status_code == 200, name
        assert staff_client.get(page(f"{name}_add")).status_code in (200, 403), name
        row = model._default_manager.first()
        if row is not None:
            assert staff_client.get(page(f"{name}_change", row.pk)).status_code == 200, name


def test_no_column_is_named_like_an_attribute_of_the_page() -> None:
    """`model` is the page's own model class: a column of that name would show it instead of a value."""
    columns = {name for page in admin.site._registry.values() for name in (*page.list_display, *page.readonly_fields)}
    assert "model" not in columns


def test_every_model_of_ours_is_registered() -> None:
    from django.apps import apps

    part_of_another = {"GenerationInput", "Credential", "Membership"}  # shown inside their parent's page
    ours = [
        model for app in ("providers", "accounts", "generations") for model in apps.get_app_config(app).get_models()
    ]
    assert {model.__name__ for model in ours if model not in admin.site._registry} == part_of_another


def test_nobody_but_staff_gets_in(alice_client: Any, client: Any) -> None:
    for somebody in (alice_client, client):
        answer = somebody.get("/admin/", follow=True)
        assert "At a glance" not in answer.content.decode()


def test_only_one_file_knows_the_look() -> None:
    folders = ("providers", "accounts", "generations", "mediagen_site")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    knowing = [file for file in files if re.search(r"^\s*(from|import) unfold\b", file.read_text(), re.M)]
    assert knowing == [ROOT / "providers" / "admin_base.py"]


def test_an_action_changes_nothing_when_it_is_only_opened(
    staff_client: Any, one_of_each: None, unknown: Generation
) -> None:
    before = (
        Entry.objects.count(),
        ApiKey.objects.filter(revoked_at=None).count(),
        Event.objects.count(),
        SignInLink.objects.count(),
    )
    for model in models():
        one, row = admin.site._registry[model], model._default_manager.first()
        for action in one._get_base_actions_detail() if row is not None else ():  # type: ignore[attr-defined]
            assert staff_client.get(page(action.action_name, row.pk)).status_code == 200, action.action_name
        for action in one._get_base_actions_list():  # type: ignore[attr-defined]
            assert staff_client.get(page(action.action_name)).status_code == 200, action.action_name
    after = (
        Entry.objects.count(),
        ApiKey.objects.filter(revoked_at=None).count(),
        Event.objects.count(),
        SignInLink.objects.count(),
    )
    assert after == before


# -- secrets -------------------------------------------------------------------------------------------------------------
def test_a_secret_goes_in_and_never_comes_out(staff_client: Any, account: ProviderAccount) -> None:
    text = staff_client.get(page("accounts_provideraccount_change", account.pk)).content.decode()
    assert SECRET not in text and "…4711" in text
    assert Credential.objects.get(account=account).ciphertext not in text


def form_of(account: ProviderAccount, **more: str) -> dict[str, str]:
    credential = account.credentials.get()
    return {
        "label": account.label,
        "priority": "0",
        "credentials-TOTAL_FORMS": "1",
        "credentials-INITIAL_FORMS": "1",
        "credentials-0-id": str(credential.pk),
        "credentials-0-account": str(account.pk),
        "credentials-0-name": "token",
        **{f"{name}-{count}": "0" for name in ("pools", "leases") for count in ("TOTAL_FORMS", "INITIAL_FORMS")},
        **more,
    }


def test_a_new_value_replaces_the_secret_and_wakes_the_account(staff_client: Any, account: ProviderAccount) -> None:
    ProviderAccount.objects.filter(pk=account.pk).update(status="auth_required", status_reason="ended")
    address = page("accounts_provideraccount_change", account.pk)
    answer = staff_client.post(address, form_of(account, **{"credentials-0-value": "sk-another-secret-0815"}))
    assert answer.status_code == 302, answer.content.decode()
    account.refresh_from_db()
    fresh = ProviderAccount.objects.get(pk=account.pk)
    assert secrets.of(fresh) == {"token": "sk-another-secret-0815"}
    assert fresh.status == "active"


def test_an_empty_value_leaves_the_secret_as_it_is(staff_client: Any, account: ProviderAccount) -> None:
    answer = staff_client.post(page("accounts_provideraccount_change", account.pk), form_of(account, label="Renamed"))
    assert answer.status_code == 302
    fresh = ProviderAccount.objects.get(pk=account.pk)
    assert fresh.label == "Renamed" and secrets.of(fresh) == {"token": SECRET}


def test_a_workspace_account_takes_no_reference(staff_client: Any, account: ProviderAccount, studio_space: Any) -> None:
    ProviderAccount.objects.filter(pk=account.pk).update(workspace=studio_space)
    form = form_of(account, **{"credentials-0-reference": "env:SECRET_KEY"})
    text = staff_client.post(page("accounts_provideraccount_change", account.pk), form).content.decode()
    assert "takes values only" in text
    assert Credential.objects.get(account=account).reference == ""


def test_an_issued_key_is_shown_once_and_works(staff_client: Any, alice: Any, studio_space: Any) -> None:
    form = {"workspace": studio_space.pk, "user": alice.pk, "name": "script", "scopes": ["read"], "budget": "12.5"}
    answer = staff_client.post(page("accounts_apikey_issue"), form)
    secret = re.search(r"mg_\w+_\w+", answer.content.decode())
    assert secret is not None and "no-store" in answer["Cache-Control"]
    key = keys.find(secret[0])
    assert key is not None and key.scopes == ["read"] and key.budget_micros == 12_500_000
    assert secret[0] not in staff_client.get(page("accounts_apikey_change", key.pk)).content.decode()


def test_a_key_is_not_issued_for_a_stranger_of_the_workspace(
    staff_client: Any, charlie: Any, studio_space: Any
) -> None:
    form = {"workspace": studio_space.pk, "user": charlie.pk, "name": "script", "scopes": ["read"]}
    assert "does not belong to" in staff_client.post(page("accounts_apikey_issue"), form).content.decode()
    assert not ApiKey.objects.exists()


# -- money ---------------------------------------------------------------------------------------------------------------
def test_a_grant_goes_through_the_ledger_with_its_reason(staff_client: Any, staff: Any, studio_space: Any) -> None:
    pool = ledger.wallet(studio_space)
    staff_client.post(page("accounts_pool_grant", pool.pk), {"amount": "12.5", "reason": "For the pilot"})
    entry = Entry.objects.latest("id")
    assert (entry.kind, entry.amount, entry.note, entry.actor) == ("grant", 12_500_000, "For the pilot", staff)


def test_an_adjustment_below_what_is_held_is_refused_on_the_page(staff_client: Any, queued: Generation) -> None:
    pool = ledger.wallet(queued.workspace)
    text = staff_client.post(
        page("accounts_pool_adjust", pool.pk), {"amount": "-1000", "reason": "mistake"}
    ).content.decode()
    assert "are available" in text
    assert not Entry.objects.filter(kind="adjust").exists()


def test_an_amount_that_is_no_number_is_told_beside_its_field(staff_client: Any, studio_space: Any) -> None:
    address = page("accounts_pool_grant", ledger.wallet(studio_space).pk)
    assert "Write a number." in staff_client.post(address, {"amount": "lots", "reason": "x"}).content.decode()


@pytest.mark.parametrize(
    "name", ["accounts_entry", "accounts_pool", "generations_event", "generations_asset", "generations_generation"]
)
def test_rows_of_the_rooms_cannot_be_edited_by_hand(staff_client: Any, one_of_each: None, name: str) -> None:
    model = next(model for model in models() if f"{model._meta.app_label}_{model._meta.model_name}" == name)
    assert staff_client.get(page(f"{name}_add")).status_code == 403
    row = model._default_manager.first()
    if row is not None:
        assert staff_client.post(page(f"{name}_change", row.pk), {"kind": "grant"}).status_code == 403
        assert staff_client.post(page(f"{name}_delete", row.pk), {"post": "yes"}).status_code == 403


# -- generations ---------------------------------------------------------------------------------------------------------
def test_a_queued_generation_is_cancelled_by_the_lifecycle(staff_client: Any, queued: Generation) -> None:
    staff_client.post(page("generations_generation_cancel", queued.pk))
    queued.refresh_from_db()
    assert queued.status == Status.CANCELLED and ledger.wallet(queued.workspace).held == 0


def test_a_retry_makes_a_new_generation(staff_client: Any, queued: Generation, staff: Any) -> None:
    lifecycle.cancel(queued, by=staff)
    staff_client.post(page("generations_generation_retry", queued.pk))
    assert Generation.objects.get(retry_of=queued).status == Status.QUEUED


def test_a_refusal_of_the_lifecycle_is_told_on_the_page(staff_client: Any, queued: Generation) -> None:
    assert "still under way" in staff_client.post(page("generations_generation_retry", queued.pk)).content.decode()


def test_an_unknown_outcome_is_settled_with_a_verdict(staff_client: Any, unknown: Generation) -> None:
    address = page("generations_generation_settle", unknown.pk)
    assert "Needed with this verdict." in staff_client.post(address, {"verdict": "arrived"}).content.decode()
    staff_client.post(address, {"verdict": "arrived", "remote_id": "job-7"})
    attempt = unknown.attempts.get()
    assert (attempt.state, attempt.remote_id) == (State.ACCEPTED, "job-7")


def test_only_what_can_be_done_is_offered(staff_client: Any, queued: Generation) -> None:
    text = staff_client.get(page("generations_generation_change", queued.pk)).content.decode()
    assert page("generations_generation_cancel", queued.pk) in text
    assert page("generations_generation_retry", queued.pk) not in text
    assert page("generations_generation_settle", queued.pk) not in text


# -- providers -----------------------------------------------------------------------------------------------------------
def test_a_wrong_price_names_the_field_and_the_remedy(staff_client: Any) -> None:
    row = Capability.objects.get(provider__slug="mock", model="video", operation="text_to_video")
    address = page("providers_capability_change", row.pk)
    text = staff_client.post(address, {"price_override": '{"kind": "per_secnd", "rate": "1"}'}).content.decode()
    assert "price.kind" in text and "per_second" in text
    row.refresh_from_db()
    assert row.price_override is None


def test_a_new_price_is_what_is_quoted_next(staff_client: Any, alice: Any, studio_space: Any) -> None:
    row = Capability.objects.get(provider__slug="mock", model="image", operation="text_to_image")
    form = {"price_override": '{"kind": "fixed", "rate": "7"}', "enabled_override": "unknown", "label_override": ""}
    assert staff_client.post(page("providers_capability_change", row.pk), form).status_code == 302
    order = orders.read({"model": "mock/image", "operation": "text_to_image", "params": {"prompt": "x"}})
    assert orders.prepare(order, studio_space, alice).price.amount == 7_000_000


def test_a_broken_adapter_shows_its_traceback(staff_client: Any) -> None:
    row = Provider.objects.create(slug="gone", name="Gone", kind="remote", problem="Traceback: line 3\nNameError: oops")
    assert "NameError: oops" in staff_client.get(page("providers_provider_change", row.pk)).content.decode()


def test_a_breaker_is_closed_by_a_person(staff_client: Any) -> None:
    row = Provider.objects.get(slug="mock")
    Provider.objects.filter(pk=row.pk).update(
        open_until=timezone.now() + timezone.timedelta(minutes=5), failure_streak=7
    )
    staff_client.post(page("providers_provider_reset_breaker", row.pk))
    row.refresh_from_db()
    assert row.open_until is None and row.failure_streak == 0


def test_a_removed_account_loses_its_secrets(staff_client: Any, account: ProviderAccount) -> None:
    staff_client.post(page("accounts_provideraccount_remove", account.pk))
    account.refresh_from_db()
    assert account.deleted_at is not None and not account.credentials.exists()


def test_a_new_workspace_has_a_wallet(staff_client: Any, bob: Any) -> None:
    form = {
        "name": "Night shift",
        "slug": "night-shift",
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "0",
    }
    form |= {"memberships-0-user": str(bob.pk), "memberships-0-role": "owner"}
    assert staff_client.post(page("accounts_workspace_add"), form).status_code == 302
    made = next(space for space in people.workspaces_of(bob) if space.slug == "night-shift")
    assert made.wallet.balance == 0
