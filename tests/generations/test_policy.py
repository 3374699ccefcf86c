"""The table of what each trouble leads to, and the wait before the next try."""

from __future__ import annotations

import pytest

from accounts.standing import EFFECTS
from generations.looking import ACCOUNT_TROUBLE, STRANGE
from generations.policy import MAX_RETRIES, POLICY, backoff
from providers.errors import CODES


def test_every_code_an_adapter_may_raise_has_its_rule_and_no_other():
    assert set(POLICY) == set(CODES)


def test_every_effect_on_an_account_is_known_to_it():
    assert {rule.account for rule in POLICY.values() if rule.account} == set(EFFECTS)


@pytest.mark.parametrize("code", CODES)
def test_what_a_person_must_change_is_never_tried_again_by_itself(code):
    if not CODES[code] and code not in ("session_revoked", "unknown_outcome"):
        assert POLICY[code].next in ("fail", "filter")


def test_content_rules_lead_nowhere_else():
    assert [code for code, rule in POLICY.items() if rule.next == "filter"] == ["content_rejected"]
    assert POLICY["content_rejected"].account == ""


def test_only_the_job_s_own_failures_use_up_its_retries():
    assert {code for code, rule in POLICY.items() if rule.counts} == {"remote_failed", "remote_not_found", "bad_reply"}
    assert MAX_RETRIES == 2


def test_the_codes_a_look_treats_apart_exist():
    assert {*STRANGE, *ACCOUNT_TROUBLE} <= set(CODES)


def test_backing_off_doubles_up_to_a_ceiling_with_jitter():
    assert all(0.8 * 2**count <= backoff(count) <= 1.2 * 2**count for count in range(6))
    assert all(48 <= backoff(count) <= 72 for count in (6, 7, 500))
    assert all(240 <= backoff(30, ceiling=300) <= 360 for _ in range(5))
    assert len({backoff(3) for _ in range(5)}) == 5
