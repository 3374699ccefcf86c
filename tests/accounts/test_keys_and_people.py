"""Keys, sign-in links, workspaces, and the commands that make them."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from django.utils import timezone

from accounts import keys, ledger, people
from accounts.errors import Refused
from accounts.models import ApiKey, Entry, SignInLink, Workspace

pytestmark = pytest.mark.django_db


def ran(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO())
    return out.getvalue()


# -- keys -----------------------------------------------------------------------------------------------------------------
def test_a_key_is_found_by_its_secret_and_only_its_digest_is_kept(alice):
    key, secret = keys.issue(workspace=people.personal_workspace(alice), user=alice, name=" robot ")
    assert re.fullmatch(r"mg_[a-z0-9]{10}_[A-Za-z0-9]{43}", secret)
    assert keys.find(secret) == key
    assert key.name == "robot"
    assert secret.rpartition("_")[2] not in str(ApiKey.objects.values())


@pytest.mark.parametrize(
    "text", ["", "mg", "mg__", "mg_x_y", "xx_{prefix}_{secret}", "mg_{prefix}_", "mg_{prefix}_{secret}x", "é_ü_\ud800"]
)
def test_anything_else_finds_nothing(alice, text):
    _, secret = keys.issue(workspace=people.personal_workspace(alice), user=alice, name="robot")
    _, prefix, rest = secret.split("_")
    assert keys.find(text.replace("{prefix}", prefix).replace("{secret}", rest)) is None


def test_a_revoked_or_expired_key_is_found_no_more(alice):
    key, secret = keys.issue(
        workspace=people.personal_workspace(alice), user=alice, name="x", expires_at=timezone.now() + timedelta(hours=1)
    )
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert keys.find(secret) is None
    assert keys.find(secret) == key
    first = keys.revoke(key).revoked_at
    assert keys.find(secret) is None
    assert keys.revoke(key).revoked_at == first


def test_a_sign_in_link_works_once_and_for_a_day(alice):
    token = keys.signin_link(alice).removeprefix("/signin/")
    assert token not in str(SignInLink.objects.values())
    assert keys.redeem(token) == alice
    assert keys.redeem(token) is None
    late = keys.signin_link(alice).removeprefix("/signin/")
    with time_machine.travel(timezone.now() + timedelta(days=1, seconds=1)):
        assert keys.redeem(late) is None
    alice.is_active = False
    alice.save()
    assert keys.redeem(late) is None


# -- workspaces -----------------------------------------------------------------------------------------------------------
def test_everyone_has_one_personal_workspace_with_an_empty_wallet(db):
    user = get_user_model().objects.create_user("Ada Lovelace")
    mine = people.personal_workspace(user)
    assert people.personal_workspace(user) == mine
    assert (mine.slug, mine.name, ledger.wallet(mine).balance) == ("ada-lovelace", "Ada Lovelace", 0)
    assert mine.memberships.get().role == "owner"


def test_slugs_do_not_collide(alice):
    found = [people.make_workspace("Studio!", alice).slug for _ in range(3)]
    assert found == ["studio", "studio-2", "studio-3"]
    assert people.make_workspace("日本", alice).slug == "workspace"
    with pytest.raises(Refused):
        people.make_workspace("  ", alice)


def test_the_session_chooses_among_ones_own_workspaces_only(alice, bob, charlie, studio_space):
    request = RequestFactory().get("/")
    request.session = {people.SESSION_KEY: studio_space.slug}
    for user, where in ((bob, studio_space), (charlie, people.personal_workspace(charlie))):
        request.user = user
        assert people.current_workspace(request) == where
    assert people.workspaces_of(bob) == [people.personal_workspace(bob), studio_space]
    assert people.workspaces_of(charlie) == [people.personal_workspace(charlie)]


def test_the_first_admin_is_made_once(settings):
    settings.MEDIAGEN_DEMO_CREDITS = 1000
    admin = people.ensure_first_admin()
    assert (admin.username, admin.is_superuser, admin.has_usable_password()) == ("admin", True, False)
    assert keys.find(admin.demo_secret).user == admin
    again = people.ensure_first_admin()
    assert (again, again.demo_secret) == (admin, None)
    assert ledger.wallet(people.personal_workspace(admin)).balance == 1_000_000_000
    assert ApiKey.objects.count() == 1


# -- commands -------------------------------------------------------------------------------------------------------------
def test_apikey_create_prints_the_key_alone_on_its_line(alice, studio_space):
    out = ran("apikey", "create", "--user", "alice")
    key = keys.find(out.strip())
    assert out == out.strip() + "\n"
    assert (key.user, key.workspace, key.scopes) == (alice, people.personal_workspace(alice), ["read", "submit"])
    other = keys.find(
        ran(
            "apikey", "create", "--user", "alice", "--scopes", "read, admin", "--workspace", "studio", "--name", "ci"
        ).strip()
    )
    assert (other.workspace, other.scopes, other.name) == (studio_space, ["read", "admin"], "ci")


def test_apikey_list_shows_no_secret_and_revoke_ends_it(alice):
    secret = ran("apikey", "create", "--user", "alice").strip()
    listed = ran("apikey", "list", "--user", "alice")
    prefix = secret.rpartition("_")[0]
    assert prefix in listed and secret not in listed
    ran("apikey", "revoke", prefix)
    assert keys.find(secret) is None
    assert "revoked" in ran("apikey", "list")


def test_signin_prints_a_whole_address(alice, settings, monkeypatch):
    monkeypatch.setenv("PORT", "8123")
    link = ran("signin", "alice").strip()
    assert link.startswith("http://127.0.0.1:8123/signin/")
    assert keys.redeem(link.rpartition("/")[2]) == alice
    settings.APP_URL = "https://media.example"
    assert ran("signin", "alice").startswith("https://media.example/signin/")


def test_wallet_shows_grants_and_adjusts_with_a_reason(alice):
    assert "available 1000.000000" in ran("wallet", "show", "--user", "alice")
    assert "balance 1250.500000" in ran("wallet", "grant", "--user", "alice", "--by", "250.5", "--reason", "prize")
    assert "balance 1200.000000" in ran("wallet", "adjust", "--user", "alice", "--by", "-50.5", "--reason", "mistake")
    assert "balance 10.000000" in ran("wallet", "adjust", "--user", "alice", "--to", "10", "--reason", "reset")
    assert "balance 0.000000" in ran("wallet", "adjust", "--user", "alice", "--to", "0", "--reason", "reset")
    assert list(Entry.objects.order_by("id").values_list("note", flat=True))[-3:] == ["mistake", "reset", "reset"]


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("apikey", "create", "--user", "nobody"), "--user"),
        (("apikey", "create", "--user", "alice", "--scopes", "fly"), "--scopes"),
        (("apikey", "create", "--user", "alice", "--workspace", "moon"), "--workspace"),
        (("apikey", "create"), "--user"),
        (("apikey", "revoke", "mg_nothing"), "prefix"),
        (("signin", "nobody"), "NAME"),
        (("wallet", "grant", "--user", "alice", "--by", "lots", "--reason", "x"), "--by"),
        (("wallet", "grant", "--user", "alice", "--by", "-5", "--reason", "x"), "--by"),
        (("wallet", "grant", "--user", "alice", "--by", "5", "--reason", " "), "--reason"),
        (("wallet", "grant", "--user", "alice", "--by", "5"), "--reason"),
        (("wallet", "grant", "--user", "alice", "--reason", "x"), "--by"),
        (("wallet", "adjust", "--user", "alice", "--by", "NaN", "--reason", "x"), "--by"),
        (("wallet", "adjust", "--user", "alice", "--to", "1000", "--reason", "x"), "--to"),
        (("wallet", "grant", "--user", "alice", "--to", "1", "--reason", "x"), "--to"),
        (("wallet", "adjust", "--user", "alice", "--by", "-2000", "--reason", "x"), "credits"),
    ],
)
def test_bad_input_is_one_sentence_that_names_the_option(alice, words, option):
    with pytest.raises(CommandError) as told:
        ran(*words)
    assert option in str(told.value)
    assert "\n" not in str(told.value)
    assert Entry.objects.filter(pool__workspace__isnull=False).count() == 1
    assert Workspace.objects.count() == 1
