"""What a look's answer means: verdicts change a job, trouble never does before the deadline, a wish to cancel is told once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from scripted import CREDIT, Killed, fresh, kinds, last, later, oops, open_house, overdue, text

from accounts.models import Lease, ProviderAccount
from generations import lifecycle, looking, poller
from generations.models import Attempt, Step
from generations.policy import MAX_RETRIES, POLICY, STRIKES
from providers.loaded import registry
from providers.models import Provider
from providers.types import Accepted, Output, Status, Usage

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def house(db, monkeypatch):
    with open_house(monkeypatch) as made:
        yield made


def due_in(generation) -> float:
    return Step.objects.get(pk=generation.pk).due_at - timezone.now().timestamp()


# -- verdicts ---------------------------------------------------------------------------------------------------------
def test_a_look_under_way_keeps_progress_note_and_memo(house):
    generation = house.accepted()
    house.adapter.tell(
        "poll", Status(state="queued", position=3), Status(state="running", progress=0.4, note="half", memo={"n": 1})
    )
    house.look()
    assert (fresh(generation).step.position, fresh(generation).step.looks) == (3, 1)
    house.look()
    step = fresh(generation).step
    assert (step.progress, step.note, step.position, step.claimed, step.looks) == (0.4, "half", None, False, 2)
    assert last(generation).memo == {"n": 1}
    house.look()
    step = fresh(generation).step
    assert (step.progress, step.note) == (0.4, "half"), "silence takes nothing back"


@pytest.mark.parametrize(("told", "kept"), [(-1, 0.0), (7, 1.0), (0.5, 0.5)])
def test_progress_stays_between_nothing_and_all(house, told, kept):
    generation = house.accepted()
    house.adapter.tell("poll", Status(state="running", progress=told))
    house.look()
    assert fresh(generation).step.progress == kept


def test_only_what_a_person_can_see_counts_as_a_change(house):
    generation = house.accepted()
    house.adapter.tell("poll", *[Status(state="running", progress=0.4)] * 2, Status(state="running", progress=0.5))
    house.look()
    seen = fresh(generation).step.change_seq
    house.look()
    assert fresh(generation).step.change_seq == seen
    house.look()
    assert fresh(generation).step.change_seq > seen


def test_a_success_is_fetched_kept_and_charged(house):
    generation = house.accepted()
    house.adapter.tell("poll", Status(state="succeeded", outputs=text("it"), usage=Usage(count=1)))
    house.look()
    assert (fresh(generation).status, last(generation).state) == ("finalizing", "succeeded")
    assert house.pool() == (99_950_000, 0)
    assert not Lease.objects.exists()
    house.fetch()
    assert (fresh(generation).status, house.wallet) == ("succeeded", (995 * CREDIT, 0))


def test_usage_the_provider_reports_is_what_the_account_pays(house):
    generation = house.accepted(model="scripted/metered")
    assert generation.held_micros == 50 * CREDIT
    house.adapter.tell(
        "poll", Status(state="succeeded", outputs=text(), usage=Usage(cost=Decimal("0.2"), credit_type="usd"))
    )
    house.run(generation)
    assert (house.pool(), fresh(generation).charged_micros) == ((99_800_000, 0), 20 * CREDIT)


def test_usage_that_says_not_charged_costs_nobody_anything(house):
    generation = house.accepted()
    house.adapter.tell("poll", Status(state="succeeded", outputs=text(), usage=Usage(charged=False)))
    house.run(generation)
    assert (house.pool(), house.wallet, last(generation).charged) == ((100 * CREDIT, 0), (1000 * CREDIT, 0), "no")


@pytest.mark.parametrize("charged", [None, True])
@pytest.mark.parametrize("code", POLICY)
def test_a_failure_told_by_a_look_follows_the_policy_table(house, code, charged):
    generation = house.accepted()
    house.adapter.tell("poll", Status(state="failed", error=oops(code, "Because.", charged=charged)))
    house.look()
    generation, attempt, rule = fresh(generation), last(generation), POLICY[code]
    status = {"fail": "failed", "filter": "filtered", "again": "queued", "unknown": "submitting"}[rule.next]
    state = {"filter": "filtered", "unknown": "unknown"}.get(rule.next, "failed")
    assert (generation.status, attempt.state, generation.retries) == (status, state, int(rule.counts))
    paid = 50_000 if charged and state != "unknown" else 0
    assert house.pool() == (100 * CREDIT - paid, 50_000 if state == "unknown" else 0)
    assert house.wallet == (1000 * CREDIT, 0 if generation.is_terminal else 5 * CREDIT)
    assert Lease.objects.exists() is (state == "unknown")


def test_a_failure_without_a_reason_is_tried_again_up_to_the_limit(house):
    generation = house.make()
    house.adapter.tell("poll", *[Status(state="failed")] * 9)
    for _ in range(5):
        house.submit()
        house.look()
    generation = fresh(generation)
    assert (generation.status, generation.error_code) == ("failed", "remote_failed")
    assert generation.attempts.count() == house.adapter.count("submit") == MAX_RETRIES + 1


@pytest.mark.parametrize("charged", [None, True])
def test_what_is_filtered_is_never_tried_again(house, charged):
    generation = house.accepted()
    house.adapter.tell(
        "poll",
        Status(state="filtered", error=oops("content_rejected", "Too scary.", charged=charged, vendor_code="V1")),
    )
    for _ in range(4):
        house.look()
        house.submit()
    generation, attempt = fresh(generation), last(generation)
    assert (generation.status, generation.error_message, generation.retryable) == ("filtered", "Too scary.", False)
    assert (attempt.state, attempt.vendor_code, house.adapter.count("submit")) == ("filtered", "V1", 1)
    assert house.wallet == (1000 * CREDIT, 0)
    assert house.pool() == (100 * CREDIT - (50_000 if charged else 0), 0)


def test_a_cancel_at_the_provider_nobody_here_wished_is_a_failure_to_try_again(house):
    generation = house.accepted()
    house.adapter.tell("poll", Status(state="cancelled"))
    house.look()
    assert (fresh(generation).status, fresh(generation).retries) == ("queued", 1)


def test_results_that_cannot_be_read_end_the_job(house):
    generation = house.accepted()
    house.adapter.tell("poll", Status(state="succeeded", outputs=(Output(kind="image", b64="not base64 at all!"),)))
    house.look()
    generation = fresh(generation)
    assert (generation.status, generation.error_code) == ("failed", "result_gone")
    assert house.pool() == (99_950_000, 0), "the account was charged for it"


# -- trouble ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", POLICY)
def test_a_raise_from_a_look_ends_nothing(house, code):
    generation = house.accepted()
    house.adapter.tell("poll", oops(code, "Trouble."), Status(state="running"))
    house.look()
    generation = fresh(generation)
    assert (generation.status, last(generation).state) == ("running", "accepted")
    assert (generation.step.errors, generation.step.note, generation.step.claimed) == (1, "Trouble.", False)
    assert due_in(generation) > 1
    house.look()
    assert fresh(generation).step.errors == 0


@pytest.mark.parametrize("code", ["auth_failed", "session_expired", "session_revoked"])
def test_a_look_that_is_refused_stops_the_account_for_new_work(house, code):
    generation = house.accepted()
    house.adapter.tell("poll", oops(code))
    house.look()
    assert (fresh(house.account).status, fresh(generation).status) == ("auth_required", "running")
    assert bool(Provider.objects.get(slug="scripted").fuse_at) is (code == "session_revoked")


@pytest.mark.parametrize("answer", [ZeroDivisionError("?"), None, 42, Status(state="pending"), Status(state="")])
def test_an_answer_that_makes_no_sense_is_a_strike(house, answer):
    generation = house.accepted()
    house.adapter.tell("poll", answer)
    house.look()
    assert (fresh(generation).status, last(generation).strikes, fresh(generation).step.errors) == ("running", 1, 1)


@pytest.mark.parametrize("code", looking.STRANGE)
def test_strikes_over_a_minute_make_it_unknown_and_name_the_drift(house, code):
    generation = house.accepted()
    house.adapter.tell("poll", *[oops(code, "It says <html>.")] * 9)
    for _ in range(STRIKES + 1):
        house.look()
    assert (fresh(generation).status, last(generation).strikes) == ("running", STRIKES + 1), "a burst proves nothing"
    with later(61):
        house.look()
    generation, attempt = fresh(generation), last(generation)
    assert (generation.status, generation.unknown, attempt.state) == ("submitting", True, "unknown")
    assert attempt.error_message == "Its answers stopped making sense: It says <html>."
    assert house.pool() == (100 * CREDIT, 50_000)
    assert house.wallet == (1000 * CREDIT, 5 * CREDIT)


def test_one_good_answer_forgives_the_strikes(house):
    generation = house.accepted()
    house.adapter.tell("poll", oops("bad_reply"), oops("bad_reply"), Status(state="running"))
    for _ in range(3):
        house.look()
    attempt = last(generation)
    assert (attempt.strikes, attempt.struck_at) == (0, None)


def test_nobody_can_send_us_away_beyond_the_deadline(house):
    generation = house.accepted()
    house.adapter.tell("poll", oops("rate_limited", retry_after=10**6), Status(state="running", next_in=10**6))
    house.look()
    assert due_in(generation) <= 601
    house.look()
    assert due_in(generation) <= 601
    other = house.make()
    house.adapter.tell("submit", Accepted(remote_id="far", next_in=10**6))
    house.submit()
    assert due_in(other) <= 601


def test_a_job_whose_adapter_is_gone_is_looked_at_later_and_ends_at_its_deadline(house, monkeypatch):
    generation = house.accepted()
    monkeypatch.delitem(registry.entries, "scripted")
    assert house.look() == 0
    step = fresh(generation).step
    assert (step.claimed, step.errors) == (False, 1) and "not installed" in step.note
    overdue(generation)
    for _ in range(looking.CANCEL_TRIES + 1):
        house.look()
    generation = fresh(generation)
    assert (generation.status, generation.error_code, last(generation).state) == ("failed", "expired", "expired")


# -- the wish to cancel -----------------------------------------------------------------------------------------------
def wished(house, **more):
    generation = house.accepted(**more)
    return lifecycle.cancel(generation, by="alice")


def test_a_confirmed_cancel_is_the_end(house):
    generation = wished(house)
    house.adapter.tell("cancel", "confirmed")
    house.look()
    generation, attempt = fresh(generation), last(generation)
    assert (generation.status, attempt.state, attempt.charged, attempt.error_code) == (
        "cancelled",
        "cancelled",
        "no",
        "",
    )
    assert (house.wallet, house.pool()) == ((1000 * CREDIT, 0), (100 * CREDIT, 0))
    assert not Lease.objects.exists()
    assert house.adapter.count("cancel") == 1


@pytest.mark.parametrize("verdict", ["requested", "too_late", "unsupported"])
def test_any_other_verdict_is_told_and_looking_goes_on(house, verdict):
    generation = wished(house)
    house.adapter.tell("cancel", verdict)
    house.look()
    assert fresh(generation).step.note == looking.CANCEL_NOTES[verdict]
    assert generation.events.get(kind="cancel_asked").data["verdict"] == verdict
    house.look()
    assert (fresh(generation).status, house.adapter.count("cancel")) == ("running", 1), "it is asked once"
    house.adapter.tell("poll", Status(state="succeeded", outputs=text()))
    house.run(generation)
    assert (fresh(generation).status, fresh(generation).charged_micros) == ("succeeded", 5 * CREDIT)


def test_a_requested_cancel_ends_when_a_look_says_so(house):
    generation = wished(house)
    house.adapter.tell("cancel", "requested")
    house.adapter.tell("poll", Status(state="running"), Status(state="cancelled"))
    for _ in range(3):
        house.look()
    assert (fresh(generation).status, last(generation).state) == ("cancelled", "cancelled")


@pytest.mark.parametrize("status", [Status(state="failed"), Status(state="failed", error=oops("busy"))])
def test_a_job_that_fails_after_the_wish_is_cancelled_and_not_tried_again(house, status):
    generation = wished(house)
    house.adapter.tell("cancel", "requested")
    house.adapter.tell("poll", status)
    house.look()
    house.look()
    assert (fresh(generation).status, house.adapter.count("submit")) == ("cancelled", 1)


@pytest.mark.parametrize("code", looking.UNHEARD)
def test_a_broken_line_is_no_answer_to_the_wish(house, code):
    generation = wished(house)
    house.adapter.tell("cancel", oops(code), oops(code), "confirmed")
    house.look()
    assert (last(generation).cancel_asked_at, fresh(generation).step.errors) == (None, 1)
    house.look()
    house.look()
    assert fresh(generation).status == "cancelled"


def test_a_line_that_stays_broken_is_not_asked_for_ever(house):
    generation = wished(house)
    house.adapter.tell("cancel", *[oops("unavailable")] * 9)
    for _ in range(looking.CANCEL_TRIES + 3):
        house.look()
    assert house.adapter.count("cancel") == looking.CANCEL_TRIES + 1
    assert house.adapter.count("poll") == 2
    assert generation.events.get(kind="cancel_asked").data["verdict"] == "unheard"


@pytest.mark.parametrize(
    ("code", "verdict"), [("unsupported", "unsupported"), ("busy", "unheard"), ("remote_not_found", "unheard")]
)
def test_a_refusal_of_the_cancel_is_told(house, code, verdict):
    generation = wished(house)
    house.adapter.tell("cancel", oops(code))
    house.look()
    assert fresh(generation).step.note == looking.CANCEL_NOTES[verdict]


# -- the deadline -----------------------------------------------------------------------------------------------------
def test_past_the_deadline_it_is_asked_to_cancel_looked_at_once_more_and_then_expires(house):
    generation = house.accepted()
    overdue(generation)
    house.look()
    assert (house.adapter.count("cancel"), house.adapter.count("poll"), fresh(generation).status) == (1, 0, "running")
    house.look()
    generation, attempt = fresh(generation), last(generation)
    assert (house.adapter.count("cancel"), house.adapter.count("poll")) == (1, 1)
    assert (generation.status, generation.error_code, generation.retryable) == ("failed", "expired", True)
    assert (attempt.state, attempt.charged) == ("expired", "unknown")
    assert house.wallet == (1000 * CREDIT, 0)
    assert house.pool() == (100 * CREDIT, 50_000), "the account's hold waits for the provider's verdict"
    assert not Lease.objects.exists()


def test_a_look_that_comes_late_may_find_it_finished(house):
    """Nobody looked for a while: it is asked how it is before it is asked to stop."""
    generation = house.accepted()
    overdue(generation, seen=False)
    house.adapter.tell("poll", Status(state="succeeded", outputs=text()))
    house.look()
    assert (fresh(generation).status, house.adapter.count("cancel")) == ("finalizing", 0)
    other = house.accepted()
    overdue(other, seen=False)
    for _ in range(3):
        house.look()
    assert (house.adapter.count("cancel"), fresh(other).error_code) == (1, "expired")


def test_the_one_more_look_may_still_bring_the_result(house):
    generation = house.accepted()
    overdue(generation)
    house.adapter.tell("poll", Status(state="succeeded", outputs=text()))
    house.look()
    house.run(generation)
    assert fresh(generation).status == "succeeded"


def test_a_job_the_provider_stopped_at_the_deadline_is_not_started_again(house):
    generation = house.accepted()
    overdue(generation)
    house.adapter.tell("cancel", "confirmed")
    house.adapter.tell("poll", Status(state="cancelled"))
    house.look()
    house.look()
    generation, attempt = fresh(generation), last(generation)
    assert (generation.status, generation.error_code) == ("failed", "expired")
    assert (attempt.state, attempt.charged, house.pool()) == ("expired", "no", (100 * CREDIT, 0))
    assert house.adapter.count("submit") == 1


def test_trouble_past_the_deadline_expires_it_too(house):
    generation = house.accepted()
    overdue(generation)
    house.adapter.tell("poll", oops("unavailable"))
    house.look()
    house.look()
    assert fresh(generation).error_code == "expired"


def test_a_deadline_that_passes_during_a_look_still_asks_to_cancel_first(house):
    generation = house.accepted()
    (look,) = house.looks()
    overdue(generation, seen=False)
    look.attempt.refresh_from_db()
    poller.apply([house.seen(look)])
    assert fresh(generation).status == "running"
    house.look()
    assert house.adapter.count("cancel") == 1
    house.look()
    assert fresh(generation).error_code == "expired"


# -- two workers, and a dead one --------------------------------------------------------------------------------------
STALE = {
    "running": Status(state="running", progress=0.9, memo={"old": True}),
    "succeeded": Status(state="succeeded", outputs=text("late")),
    "failed": Status(state="failed"),
    "filtered": Status(state="filtered"),
    "cancelled": Status(state="cancelled"),
    "trouble": oops("bad_reply"),
}


@pytest.mark.parametrize("name", STALE)
def test_a_look_that_lost_its_lease_changes_nothing(house, name):
    generation = house.accepted()
    (mine,) = house.looks()
    (theirs,) = house.looks(died=True)
    house.adapter.tell("poll", STALE[name])
    poller.apply([house.seen(mine)])
    step, attempt = fresh(generation).step, last(generation)
    assert (fresh(generation).status, attempt.state, attempt.memo, attempt.strikes) == ("running", "accepted", {}, 0)
    assert (step.lease_seq, step.claimed, step.progress) == (theirs.step.lease_seq, True, None)
    house.adapter.tell("poll", Status(state="running", progress=0.2))
    poller.apply([house.seen(theirs)])
    assert (fresh(generation).step.progress, fresh(generation).step.claimed) == (0.2, False)


def test_a_cancel_answer_that_lost_its_lease_changes_nothing(house):
    generation = wished(house)
    (mine,) = house.looks()
    house.looks(died=True)
    house.adapter.tell("cancel", "too_late")
    poller.apply([house.seen(mine)])
    assert last(generation).cancel_asked_at is None
    assert "cancel_asked" not in kinds(generation)


def test_two_looks_that_saw_the_same_success_deliver_it_once(house):
    generation = house.accepted()
    (mine,) = house.looks()
    (theirs,) = house.looks(died=True)
    house.adapter.tell("poll", *[Status(state="succeeded", outputs=text())] * 2)
    poller.apply([house.seen(theirs)])
    poller.apply([house.seen(mine)])
    house.run(generation)
    assert (fresh(generation).charged_micros, generation.assets.count()) == (5 * CREDIT, 1)


@pytest.mark.parametrize("verb", ["deliver", "end", "cancelled", "expire"])
def test_a_poller_killed_before_its_commit_looks_again(house, monkeypatch, verb):
    generation = house.accepted()
    words = {
        "deliver": Status(state="succeeded", outputs=text()),
        "end": Status(state="filtered"),
        "expire": Status(state="running"),
    }
    if verb == "cancelled":
        lifecycle.cancel(generation, by="alice")
        house.adapter.tell("cancel", "confirmed", "confirmed")
    if verb == "expire":
        Attempt.objects.update(cancel_asked_at=timezone.now())
        overdue(generation)
    house.adapter.tell("poll", *[words.get(verb)] * 2)

    def killed(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, verb, killed)
        with pytest.raises(Killed):
            house.look()
    assert fresh(generation).status == "running"
    assert house.look() == 0, "its lease still runs"
    house.look(died=True)
    house.fetch()
    assert (
        fresh(generation).status
        == {"deliver": "succeeded", "end": "filtered", "cancelled": "cancelled", "expire": "failed"}[verb]
    )


def test_one_look_that_breaks_takes_no_other_with_it(house, monkeypatch):
    first, second = house.accepted(), house.accepted()
    house.adapter.tell("poll", *[Status(state="succeeded", outputs=text())] * 2)
    real = lifecycle.deliver

    def picky(step, generation, *rest):
        if generation.pk == first.pk:
            raise ValueError("?")
        real(step, generation, *rest)

    monkeypatch.setattr(lifecycle, "deliver", picky)
    house.look()
    assert [fresh(one).status for one in (first, second)] == ["running", "finalizing"]


def test_a_lease_that_has_run_out_does_not_disturb_the_look(house):
    generation = house.accepted()
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    other = house.make()
    ProviderAccount.objects.filter(pk=house.account.pk).update(max_concurrency=1)
    house.submit()
    assert fresh(other).status == "running"
    house.adapter.tell("poll", *[Status(state="succeeded", outputs=text())] * 2)
    house.run(generation, other)
