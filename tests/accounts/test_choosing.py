"""Which account serves, and why: a pure function of what was known, so that a decision can be replayed."""

from __future__ import annotations

import itertools
import random

import pytest

from accounts.choosing import Candidate, Decision, Exclusion, choose

NOW = 1_000_000.0


def one(id: str = "a", **more) -> Candidate:
    return Candidate(**{"id": id, "label": id.upper(), "site_wide": False, "status": "active", **more})


def picked(*candidates: Candidate, **how) -> str | None:
    return choose(candidates, now=NOW, **how).chosen


# what stands in the way -> (how it is told, until when, only a person can change it)
REASONS = {
    "disabled": ({"status": "disabled"}, "switched off", None, True),
    "auth": ({"status": "auth_required", "status_reason": "Signed out."}, "Signed out.", None, True),
    "auth without words": ({"status": "auth_required"}, "needs signing in again", None, True),
    "blocked": ({"status": "blocked"}, "needs signing in again", None, True),
    "secrets": ({"missing_secrets": ("api_key", "org")}, "lacks api_key, org", None, True),
    "fuse": (
        {"fuse_tripped": True, "captured": True},
        "a session was revoked at this provider; a person must look first",
        None,
        True,
    ),
    "exhausted": ({"status": "exhausted"}, "out of credits", None, False),
    "short": ({"available": 4, "cost": 5}, "out of credits", None, False),
    "cooling": ({"cooling_until": NOW + 30}, "cooling down", NOW + 30, False),
    "cooling with words": ({"cooling_until": NOW + 30, "status_reason": "Slow down."}, "Slow down.", NOW + 30, False),
    "breaker": (
        {"provider_closed_until": NOW + 60},
        "the provider is failing; pausing before the next try",
        NOW + 60,
        False,
    ),
    "busy": ({"in_use": 2, "limit": 2}, "all 2 places are busy", None, False),
}


@pytest.mark.parametrize("name", REASONS)
def test_what_stands_in_the_way_is_told(name):
    more, reason, until, never = REASONS[name]
    decision = choose([one(**more)], now=NOW)
    assert decision.chosen is None
    assert decision.excluded == (Exclusion(id="a", label="A", reason=reason, until=until, never=never),)
    assert decision.never is never


@pytest.mark.parametrize(
    "more",
    [
        {"cooling_until": NOW},
        {"cooling_until": NOW - 1},
        {"provider_closed_until": NOW - 1},
        {"available": 5, "cost": 5},
        {"available": None, "cost": 5},
        {"available": -9, "cost": 5, "unlimited": True},
        {"fuse_tripped": True},
        {"in_use": 1, "limit": 2},
    ],
)
def test_what_does_not_stand_in_the_way(more):
    assert picked(one(**more)) == "a"


def test_a_pinned_account_is_the_only_one_and_may_still_be_unfit():
    decision = choose([one("a"), one("b")], now=NOW, pinned="b")
    assert (decision.chosen, decision.excluded[0].reason) == ("b", "another account was asked for")
    decision = choose([one("a"), one("b", status="disabled")], now=NOW, pinned="b")
    assert decision.never
    assert choose([one("a"), one("b", in_use=1)], now=NOW, pinned="b").never is False
    assert choose([one("a")], now=NOW, pinned="gone").never


# each beats the next, whatever the later criteria say
ORDER = [
    one("priority", priority=1, site_wide=True, in_use=3, limit=4, last_used=9),
    one("own", unlimited=False, in_use=3, limit=4, last_used=9),
    one("unlimited", site_wide=True, unlimited=True, in_use=3, limit=4, last_used=9),
    one("least busy", site_wide=True, in_use=1, limit=4, last_used=9),
    one("longest idle", site_wide=True, in_use=2, limit=4, last_used=1),
    one("a by name", site_wide=True, in_use=2, limit=4, last_used=9),
    one("b by name", site_wide=True, in_use=2, limit=4, last_used=9),
]


def test_the_order_of_preference():
    shuffled = random.Random(3).sample(ORDER, len(ORDER))
    decision = choose(shuffled, now=NOW)
    assert [row["id"] for row in decision.ranking] == [item.id for item in ORDER]
    assert decision.chosen == "priority"


def test_the_order_they_come_in_does_not_matter():
    some = ORDER[2:6]
    assert {picked(*order) for order in itertools.permutations(some)} == {"unlimited"}


def test_busy_is_a_share_of_the_places():
    assert picked(one("one of two", in_use=1, limit=2), one("three of ten", in_use=3, limit=10)) == "three of ten"


def test_nobody_at_all_is_never():
    assert choose([], now=NOW) == Decision(chosen=None)
    assert choose([], now=NOW).never


def test_one_that_may_recover_keeps_hope_alive():
    decision = choose([one("a", status="disabled"), one("b", in_use=9)], now=NOW)
    assert (decision.chosen, decision.never) == (None, False)


def test_a_decision_explains_itself_in_plain_json():
    decision = choose([one("a"), one("b", in_use=1, limit=1)], now=NOW)
    told = decision.explain()
    assert told["chosen"] == "a"
    assert [row["id"] for row in told["ranking"]] == ["a"]
    assert told["excluded"][0]["reason"] == "all 1 places are busy"
