"""From a claimed step to what came of the call: accepted, done, refused or lost; and no second call while one is open."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from scripted import CREDIT, Killed, fresh, kinds, last, later, oops, open_house, text

from accounts.models import Credential, Lease, ProviderAccount
from generations import calling, lifecycle, settling, simulating, submitting
from generations.lifecycle.moves import Stale
from generations.models import Attempt, Step
from generations.policy import MAX_RETRIES, POLICY
from providers.errors import AuthorError, ProviderError
from providers.models import Provider
from providers.types import Accepted, Done, Problem, Status, Usage

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def house(db, monkeypatch):
    with open_house(monkeypatch) as made:
        yield made


# -- what an answer leads to ------------------------------------------------------------------------------------------
def test_an_accepted_submit_runs_and_is_looked_at(house):
    generation = house.make()
    house.submit()
    generation, attempt = fresh(generation), last(generation)
    assert (generation.status, attempt.state, attempt.remote_id) == ("running", "accepted", f"remote-{attempt.pk}")
    assert (generation.step.verb, generation.step.cluster, generation.step.claimed) == ("look", "poll", False)
    assert house.wallet == (1000 * CREDIT, 5 * CREDIT)
    assert house.pool() == (100 * CREDIT, 50_000)
    assert Lease.objects.get().attempt == attempt.pk


def test_a_provider_that_answers_at_once_is_fetched_and_charged(house):
    generation = house.make()
    house.adapter.tell("submit", Done(outputs=text("hello"), remote_id="r-1", usage=Usage(count=1)))
    house.submit()
    assert fresh(generation).status == "finalizing"
    house.fetch()
    generation = fresh(generation)
    assert (generation.status, generation.charged_micros) == ("succeeded", 5 * CREDIT)
    assert [asset.text for asset in generation.assets.all()] == ["hello"]
    assert house.wallet == (995 * CREDIT, 0)
    assert house.pool() == (99_950_000, 0)
    assert not Lease.objects.exists()
    assert not Step.objects.exists()


def test_the_attempt_is_in_the_database_before_the_call(house):
    found = {}

    def submit(job):
        found.update(Attempt.objects.values("pk", "state", "account").get(), status=fresh(generation).status)
        found["secret"] = job.secrets["api_key"]
        return Accepted(remote_id="r")

    generation = house.make()
    house.adapter.tell("submit", submit)
    house.submit()
    attempt = last(generation)
    assert found == {
        "pk": attempt.pk,
        "state": "sending",
        "account": house.account.pk,
        "status": "submitting",
        "secret": "a very secret key",
    }
    assert house.adapter.calls == [("submit", str(attempt.pk))]


# code -> the generation's status, the attempt's state, retries used, the account's status
SUBMIT = {
    "invalid_input": ("failed", "failed", 0, "active"),
    "unsupported": ("failed", "failed", 0, "active"),
    "input_unusable": ("failed", "failed", 0, "active"),
    "model_gone": ("failed", "failed", 0, "active"),
    "result_gone": ("failed", "failed", 0, "active"),
    "content_rejected": ("filtered", "filtered", 0, "active"),
    "auth_failed": ("queued", "failed", 0, "auth_required"),
    "session_expired": ("queued", "failed", 0, "auth_required"),
    "session_revoked": ("queued", "failed", 0, "auth_required"),
    "out_of_credits": ("queued", "failed", 0, "exhausted"),
    "rate_limited": ("queued", "failed", 0, "active"),
    "busy": ("queued", "failed", 0, "active"),
    "unavailable": ("queued", "failed", 0, "active"),
    "remote_failed": ("queued", "failed", 1, "active"),
    "remote_not_found": ("queued", "failed", 1, "active"),
    "bad_reply": ("queued", "failed", 1, "active"),
    "unknown_outcome": ("submitting", "unknown", 0, "active"),
}


def test_every_code_has_its_line_here():
    assert set(SUBMIT) == set(POLICY)


@pytest.mark.parametrize("charged", [None, True])
@pytest.mark.parametrize("code", SUBMIT)
def test_a_refused_submit_follows_the_policy_table(house, code, charged):
    generation = house.make()
    house.adapter.tell("submit", oops(code, "Because.", charged=charged, vendor_code="E7"))
    house.submit()
    generation, attempt = fresh(generation), last(generation)
    status, state, retries, account = SUBMIT[code]
    assert (generation.status, attempt.state, generation.retries) == (status, state, retries)
    assert fresh(house.account).status == account
    assert generation.unknown is (code == "unknown_outcome")
    paid = 50_000 if charged and code != "unknown_outcome" else 0
    assert house.pool() == (100 * CREDIT - paid, 50_000 if code == "unknown_outcome" else 0)
    assert attempt.charged == ("unknown" if code == "unknown_outcome" else "yes" if charged else "no")
    assert attempt.error_code == code and attempt.error_message == "Because."
    if generation.is_terminal:
        assert (generation.error_code, generation.error_message, generation.charged_micros) == (code, "Because.", 0)
        assert house.wallet == (1000 * CREDIT, 0)
    else:
        assert house.wallet == (1000 * CREDIT, 5 * CREDIT)
    assert Lease.objects.exists() is (code == "unknown_outcome")


@pytest.mark.parametrize("code", ["invalid_input", "content_rejected", "model_gone"])
def test_what_ends_at_once_is_never_sent_again(house, code):
    generation = house.make()
    house.adapter.tell("submit", oops(code))
    for _ in range(4):
        house.submit()
    assert house.adapter.count("submit") == generation.attempts.count() == 1


def test_automatic_retries_end_at_the_limit(house):
    generation = house.make()
    house.adapter.tell("submit", *[oops("remote_failed", f"No. {number}") for number in range(9)])
    for _ in range(9):
        house.submit()
    generation = fresh(generation)
    assert (generation.status, generation.error_message, generation.retryable) == ("failed", f"No. {MAX_RETRIES}", True)
    assert house.adapter.count("submit") == generation.attempts.count() == MAX_RETRIES + 1
    assert [attempt.number for attempt in generation.attempts.all()] == [1, 2, 3]


def test_being_asked_to_wait_uses_up_no_retry_and_cools_the_account(house):
    generation = house.make()
    house.adapter.tell("submit", *[oops("rate_limited", "Slow down.", retry_after=40)] * 5)
    for turn in range(5):
        with later(turn * 60):
            house.submit()
    generation, account = fresh(generation), fresh(house.account)
    assert (generation.status, generation.retries, generation.attempts.count()) == ("queued", 0, 5)
    assert account.cooldown_until > timezone.now() + timedelta(seconds=4 * 60 + 30)
    assert generation.note == "Slow down."
    with later(4 * 60 + 5):
        house.submit()
        generation = fresh(generation)
        assert generation.attempts.count() == 5, "a cooling account is not asked"
        assert generation.note == "Waiting: Main: Slow down."
    with later(6 * 60):
        house.submit()
    assert fresh(generation).status == "running"


def test_a_wait_ends_at_the_queue_s_deadline(house):
    generation = house.make()
    house.adapter.tell("submit", oops("busy", "Come back tomorrow.", retry_after=48 * 3600))
    house.submit()
    ProviderAccount.objects.update(cooldown_until=timezone.now() + timedelta(hours=48))
    with later(23 * 3600):
        house.submit()
        assert fresh(generation).note == "Waiting: Main: Come back tomorrow."
    with later(24 * 3600 + 5):
        house.submit()
    generation = fresh(generation)
    assert (generation.status, generation.error_code, generation.retryable) == ("failed", "no_account", True)
    assert "Come back tomorrow" in generation.error_message


def test_a_success_elsewhere_leaves_a_cool_down_as_long_as_it_was_asked_for(house):
    running = house.accepted()
    other = house.make()
    house.adapter.tell("submit", oops("rate_limited", retry_after=300))
    house.submit()
    until = fresh(house.account).cooldown_until
    assert until > timezone.now() + timedelta(seconds=290)
    house.adapter.tell("poll", Status(state="succeeded", outputs=text()))
    house.look()
    house.fetch()
    assert fresh(running).status == "succeeded"
    account = fresh(house.account)
    assert (account.cooldown_until, account.failure_streak) == (until, 0)
    assert fresh(other).status == "queued"


def test_a_streak_of_unavailable_opens_the_breaker_and_a_success_closes_it(house):
    generation = house.make()
    house.adapter.tell("submit", *[oops("unavailable")] * 5)
    for _ in range(6):
        house.submit()
    provider = Provider.objects.get(slug="scripted")
    assert provider.open_until > timezone.now() and provider.health == "down"
    assert generation.attempts.count() == 5, "nothing is sent while it is open"
    assert "pausing" in fresh(generation).note
    with later(70):
        house.submit()
    assert fresh(generation).status == "running"
    provider.refresh_from_db()
    assert (provider.open_until, provider.failure_streak, provider.health) == (None, 0, "ok")


def test_without_an_account_trouble_keeps_its_distance(house, monkeypatch):
    generation = house.make(mode="mock")
    monkeypatch.setattr(calling, "_run", _raise(oops("unavailable")))
    waits = []
    for _ in range(6):
        house.fetch()
        waits.append(Step.objects.get().due_at - timezone.now().timestamp())
    assert waits[-1] > 30 > waits[0]
    assert fresh(generation).status == "queued"
    lifecycle.cancel(fresh(generation), by="alice")


def _raise(error):
    def broken(*args, **kwargs):
        raise error

    return broken


# -- trouble before and around the call -------------------------------------------------------------------------------
def test_problems_beyond_the_schema_fail_before_anything_is_sent(house):
    generation = house.make()
    house.adapter.problems = [Problem(field="params.prompt", message="No lighthouses.")]
    house.submit()
    generation = fresh(generation)
    assert (generation.status, generation.error_code) == ("failed", "invalid_input")
    assert generation.error_message == "params.prompt: No lighthouses."
    assert house.adapter.calls == []


def test_a_broken_adapter_fails_the_job_and_says_whose_fault_it_is(house):
    generation = house.make()
    house.adapter.tell("submit", AuthorError("forgot to yield"))
    house.submit()
    assert (fresh(generation).status, fresh(generation).error_code) == ("failed", "unsupported")


def test_a_credential_that_cannot_be_read_stops_the_account_not_the_job(house):
    spare = house.login("Spare", priority=-1)
    generation = house.make()
    Credential.objects.filter(account=house.account).update(ciphertext="gAAAAAnonsense")
    house.submit()
    assert fresh(generation).status == "running"
    assert last(generation).account == spare
    excluded = last(generation).decision["models"]["scripted/paint"]["excluded"]
    assert [(row["label"], row["reason"]) for row in excluded] == [("Main", "lacks api_key")]


def test_an_unforeseen_error_in_the_call_is_unknown_not_failed(house):
    generation = house.make()
    house.adapter.tell("submit", ZeroDivisionError("?"))
    house.submit()
    generation = fresh(generation)
    assert (generation.status, generation.unknown, last(generation).state) == ("submitting", True, "unknown")


def test_an_answer_of_the_wrong_kind_is_unknown(house):
    generation = house.make()
    house.adapter.tell("submit", "yes")
    house.submit()
    assert (fresh(generation).unknown, house.adapter.count("submit")) == (True, 1)


# -- a worker dies ----------------------------------------------------------------------------------------------------
def test_a_worker_killed_in_the_call_leaves_an_unknown_outcome(house):
    generation = house.make()
    house.adapter.tell("submit", Killed())
    with pytest.raises(Killed):
        house.submit()
    assert last(generation).state == "sending"
    assert house.submit() == 0, "the lease still runs"
    house.submit(died=True)
    generation = fresh(generation)
    assert (generation.status, generation.unknown, last(generation).state) == ("submitting", True, "unknown")
    for _ in range(5):
        house.submit(died=True)
    assert house.adapter.count("submit") == 1
    assert house.wallet == (1000 * CREDIT, 5 * CREDIT)


@pytest.mark.parametrize("verb", ["accept", "deliver", "end"])
def test_a_worker_killed_between_answer_and_commit_sends_nothing_twice(house, monkeypatch, verb):
    generation = house.make()
    answers = {"accept": Accepted(remote_id="r"), "deliver": Done(outputs=text()), "end": oops("remote_failed")}
    house.adapter.tell("submit", answers[verb])
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, verb, _raise(Killed()))
        with pytest.raises(Killed):
            house.submit()
    house.respec(traits={"find": True})
    house.adapter.tell("find", Accepted(remote_id="r"))
    house.submit(died=True)
    assert fresh(generation).unknown
    house.submit()
    assert (fresh(generation).status, last(generation).remote_id) == ("running", "r")
    assert house.adapter.count("submit") == 1


def test_a_worker_killed_before_the_attempt_was_written_changes_nothing(house, monkeypatch):
    generation = house.make()
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "begin", _raise(Killed()))
        with pytest.raises(Killed):
            house.submit()
    assert (fresh(generation).status, generation.attempts.count()) == ("queued", 0)
    house.submit(died=True)
    assert fresh(generation).status == "running"


def test_what_was_computed_here_is_simply_computed_again(house, monkeypatch):
    generation = house.make(mode="mock")
    with monkeypatch.context() as patch:
        patch.setattr(calling, "_run", _raise(Killed()))
        with pytest.raises(Killed):
            house.fetch()
    house.fetch(died=True)
    assert fresh(generation).status == "queued"
    house.run(generation)
    assert (fresh(generation).status, generation.attempts.count()) == ("succeeded", 2)


# -- unknown outcomes -------------------------------------------------------------------------------------------------
def test_nothing_is_sent_while_an_outcome_is_unknown(house):
    generation = house.lost()
    for _ in range(6):
        house.submit()
        house.look()
    assert house.adapter.count("submit") == generation.attempts.count() == 1
    assert fresh(generation).note.endswith("or for your verdict.")
    assert Lease.objects.get().expires_at > timezone.now() + timedelta(hours=23)


def test_a_provider_that_can_find_a_lost_job_settles_it(house):
    house.respec(traits={"find": True})
    generation = house.lost()
    house.adapter.tell("find", oops("unavailable"), Accepted(remote_id="found-it", memo={"at": "eu"}))
    house.submit()
    assert (fresh(generation).unknown, fresh(generation).step.errors) == (True, 1)
    house.submit()
    attempt = last(generation)
    assert (fresh(generation).status, fresh(generation).unknown) == ("running", False)
    assert (attempt.state, attempt.remote_id, attempt.memo) == ("accepted", "found-it", {"at": "eu"})
    assert house.adapter.count("submit") == 1


def test_only_a_repeated_no_settles_it_and_then_it_is_tried_again(house):
    house.respec(traits={"find": True})
    generation = house.lost()
    for _ in range(settling.FINDS + 2):
        house.submit()
        assert fresh(generation).unknown, "the call might still be under way"
    with later(house.capability().spec["timeout"] + 300):
        house.submit()
    generation = fresh(generation)
    assert (generation.status, generation.retries, last(generation).charged) == ("queued", 1, "no")
    house.submit()
    assert (fresh(generation).status, generation.attempts.count()) == ("running", 2)
    assert house.adapter.count("submit") == 2


def test_a_found_job_may_be_finished_already(house):
    house.respec(traits={"find": True})
    generation = house.lost()
    house.adapter.tell("find", Done(outputs=text(), remote_id="r"))
    house.run(generation)
    assert (fresh(generation).status, last(generation).remote_id) == ("succeeded", "r")


def test_where_our_key_is_honoured_the_same_submit_is_sent_under_the_same_key(house):
    house.respec(traits={"idempotency": True, "find": True})
    generation = house.lost()
    house.submit()
    attempt = last(generation)
    assert (fresh(generation).status, generation.attempts.count()) == ("running", 1)
    assert house.adapter.calls == [("submit", str(attempt.pk))] * 2


def test_trouble_with_the_repeat_is_no_verdict_on_the_first(house):
    house.respec(traits={"idempotency": True})
    generation = house.lost()
    house.adapter.tell("submit", oops("rate_limited", retry_after=7), oops("auth_failed"))
    house.submit()
    house.submit()
    assert (fresh(generation).unknown, last(generation).state, fresh(generation).step.errors) == (True, "unknown", 2)
    house.submit()
    assert fresh(generation).status == "running"


@pytest.mark.parametrize("code", settling.FINAL)
def test_what_the_repeat_is_told_about_the_request_itself_is_the_answer(house, code):
    house.respec(traits={"idempotency": True})
    generation = house.lost()
    house.adapter.tell("submit", oops(code))
    house.submit()
    assert fresh(generation).status == ("filtered" if code == "content_rejected" else "failed")
    assert house.adapter.count("submit") == 2


def test_a_key_is_not_repeated_when_it_may_be_forgotten(house):
    house.respec(traits={"idempotency": True})
    generation = house.lost()
    with later(settling.KEYED_HOURS * 3600 + 60):
        house.submit()
    assert (fresh(generation).unknown, house.adapter.count("submit")) == (True, 1)


def test_a_job_that_was_accepted_once_is_looked_at_again_and_never_sent_again(house):
    house.respec(traits={"idempotency": True, "find": True})
    generation = house.accepted()
    house.adapter.tell("poll", *[oops("bad_reply")] * 4)
    for _ in range(3):
        house.look()
    with later(61):
        house.look()
    assert fresh(generation).unknown
    house.adapter.tell("poll", oops("bad_reply"), "nonsense", Status(state="running"))
    for _ in range(3):
        house.submit()
    assert (fresh(generation).status, house.adapter.count("submit"), house.adapter.count("find")) == ("running", 1, 0)


def test_an_answer_that_comes_after_all_settles_what_was_called_unknown(house):
    """The lease ran out in the middle of a slow call; nobody has settled it since."""
    generation = house.make()

    def slow(job):
        house.submit(died=True)
        assert fresh(generation).unknown
        return Accepted(remote_id="after all")

    house.adapter.tell("submit", slow)
    house.submit()
    assert (fresh(generation).status, last(generation).remote_id) == ("running", "after all")
    assert kinds(generation).count("recovered") == 1


def test_the_id_of_another_job_is_not_taken_over(house):
    first, second = house.accepted(), house.make()
    house.adapter.tell("submit", Accepted(remote_id=last(first).remote_id))
    house.submit()
    assert (last(second).state, last(second).error_code, fresh(second).status) == ("failed", "bad_reply", "queued")
    assert last(first).state == "accepted"


# -- two workers ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "answer",
    [
        Accepted(remote_id="late"),
        Done(outputs=text("late")),
        oops("remote_failed"),
        oops("unknown_outcome"),
        oops("content_rejected"),
    ],
)
def test_the_slower_of_two_workers_changes_nothing(house, answer):
    """The first one's lease ran out in the middle of its call; another settled the matter before its answer came."""
    generation = house.make()
    house.respec(traits={"find": True})

    def slow(job):
        house.submit(died=True)  # → unknown
        house.adapter.tell("find", Accepted(remote_id="the truth"))
        house.submit()
        if isinstance(answer, ProviderError):
            raise answer
        return answer

    house.adapter.tell("submit", slow)
    house.submit()
    attempt = last(generation)
    assert (fresh(generation).status, attempt.state, attempt.remote_id) == ("running", "accepted", "the truth")
    assert (generation.attempts.count(), house.adapter.count("submit")) == (1, 1)
    assert fresh(house.account).status == "active"


def test_a_step_is_begun_by_one_worker_only(house):
    generation = house.make()
    (mine,) = house.claim("default")
    (theirs,) = house.claim("default", died=True)
    assert theirs.lease_seq == mine.lease_seq + 1
    submitting.work(mine)
    assert (generation.attempts.count(), fresh(generation).status) == (0, "queued")
    submitting.work(theirs)
    assert (generation.attempts.count(), fresh(generation).status) == (1, "running")
    with pytest.raises(Stale):
        lifecycle.begin(mine, fresh(generation), seconds=10)


# -- which account ----------------------------------------------------------------------------------------------------
def test_no_account_at_all_is_a_failure_with_a_remedy(house):
    ProviderAccount.objects.filter(pk=house.account.pk).update(deleted_at=timezone.now())
    generation = house.make()
    house.submit()
    generation = fresh(generation)
    assert (generation.status, generation.error_code, generation.retryable) == ("failed", "no_account", True)
    assert "Connect one under Accounts" in generation.error_message


def test_a_refused_login_moves_on_to_the_next_account(house):
    spare = house.login("Spare", priority=-1)
    generation = house.make()
    house.adapter.tell("submit", oops("auth_failed", "Wrong key."))
    house.submit()
    house.submit()
    assert (fresh(generation).status, last(generation).account) == ("running", spare)
    assert fresh(house.account).status_reason == "Wrong key."


def test_when_the_last_login_is_refused_the_job_fails_with_the_reason(house):
    generation = house.make()
    house.adapter.tell("submit", oops("auth_failed", "Wrong key."))
    house.submit()
    house.submit()
    generation = fresh(generation)
    assert (generation.status, generation.error_code) == ("failed", "no_account")
    assert generation.error_message == "No Scripted account can serve this: Main: Wrong key."


def test_a_revoked_session_never_burns_through_the_other_captured_ones(house):
    ProviderAccount.objects.filter(pk=house.account.pk).update(origin="capture")
    other = house.login("Other session", origin="capture", priority=-1)
    generation = house.make()
    house.adapter.tell("submit", oops("session_revoked", "Signed out everywhere."))
    house.submit()
    house.submit()
    assert (fresh(generation).status, house.adapter.count("submit")) == ("failed", 1)
    assert (fresh(other).status, other.attempts.count()) == ("active", 0)
    assert Provider.objects.get(slug="scripted").fuse_at is not None


def test_an_exhausted_account_is_waited_for(house):
    generation = house.make()
    house.adapter.tell("submit", oops("out_of_credits"))
    house.submit()
    house.submit()
    generation = fresh(generation)
    assert (generation.status, generation.note) == ("queued", "Waiting: Main: out of credits.")
    with later(25 * 3600):
        house.submit()
    assert (fresh(generation).status, fresh(generation).error_code) == ("failed", "no_account")


def test_a_full_account_makes_the_next_job_wait(house):
    generations = [house.make() for _ in range(5)]
    house.submit()
    assert [fresh(one).status for one in generations].count("running") == 4
    (waiting,) = [fresh(one) for one in generations if fresh(one).status == "queued"]
    assert waiting.note == "Waiting: Main: all 4 places are busy."
    assert kinds(waiting).count("waiting") == 1
    house.submit()
    assert kinds(waiting).count("waiting") == 1, "the same reason is told once"


def test_a_long_reason_is_told_once_too(house):
    for number in range(3):
        house.login(f"Login {number}", status="exhausted", status_reason="x" * 300)
    ProviderAccount.objects.update(
        cooldown_until=timezone.now() + timedelta(hours=1), status="active", status_reason="y" * 390
    )
    generation = house.make()
    for _ in range(3):
        house.submit()
    assert kinds(generation).count("waiting") == 1


def test_a_pinned_account_serves_alone(house):
    pinned = house.login("Pinned", priority=-5)
    generation = house.make(account=str(pinned.pk))
    house.submit()
    assert last(generation).account == pinned
    other = house.make(account=str(pinned.pk))
    ProviderAccount.objects.filter(pk=pinned.pk).update(status="disabled")
    house.submit()
    assert (fresh(other).status, fresh(other).error_code) == ("failed", "no_account")
    assert house.account.attempts.count() == 0


def test_a_fallback_model_serves_when_the_first_never_can(house):
    understudy = house.provider("understudy")
    stand_in = house.login("Stand-in", slug="understudy")
    generation = house.make(fallbacks=["understudy/paint-fine"])
    assert (generation.quoted_micros, generation.held_micros) == (5 * CREDIT, 8 * CREDIT)
    house.adapter.tell("submit", oops("auth_failed"))
    house.submit()
    understudy.tell("submit", Done(outputs=text()))
    house.run(generation)
    generation = fresh(generation)
    assert (generation.status, generation.charged_micros) == ("succeeded", 8 * CREDIT)
    assert (last(generation).account, last(generation).capability.model_id) == (stand_in, "understudy/paint-fine")
    assert house.pool(stand_in) == (99_920_000, 0)
    assert house.pool() == (100 * CREDIT, 0)


def test_a_fallback_is_not_taken_while_the_first_is_only_busy(house):
    house.provider("understudy")
    house.login("Stand-in", slug="understudy")
    ProviderAccount.objects.filter(pk=house.account.pk).update(cooldown_until=timezone.now() + timedelta(minutes=5))
    generation = house.make(fallbacks=["understudy/paint-fine"])
    house.submit()
    assert (fresh(generation).status, generation.attempts.count()) == ("queued", 0)


# -- a wish to cancel meanwhile ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", ["remote_failed", "invalid_input", "busy"])
def test_a_job_cancelled_during_its_failing_submit_is_cancelled(house, code):
    generation = house.make()

    def submit(job):
        lifecycle.cancel(fresh(generation), by="alice")
        raise oops(code)

    house.adapter.tell("submit", submit)
    house.submit()
    assert (fresh(generation).status, fresh(generation).error_code) == ("cancelled", "cancelled")
    assert house.wallet == (1000 * CREDIT, 0)


def test_a_job_cancelled_during_its_submit_is_asked_about_at_once(house):
    generation = house.make()
    house.respec(polling={"first": 100})

    def submit(job):
        lifecycle.cancel(fresh(generation), by="alice")
        return Accepted(remote_id="r")

    house.adapter.tell("submit", submit)
    house.submit()
    assert fresh(generation).step.due_at <= timezone.now().timestamp()
    house.adapter.tell("cancel", "confirmed")
    house.look()
    assert fresh(generation).status == "cancelled"


# -- modes ------------------------------------------------------------------------------------------------------------
def test_a_mock_run_of_another_provider_costs_nothing_and_says_so(house):
    generation = house.make(mode="mock")
    assert (generation.quoted_micros, generation.held_micros) == (5 * CREDIT, 0)
    house.run(generation)
    generation = fresh(generation)
    assert (generation.status, generation.charged_micros, last(generation).account) == ("succeeded", 0, None)
    assert generation.receipt["note"] == "Mock (made here): quoted as usual, nothing is charged."
    assert generation.receipt["quoted"] == "5.000000"
    assert generation.assets.get().facts["mocked"] is True
    assert house.adapter.calls == []
    assert house.wallet == (1000 * CREDIT, 0)


def test_a_simulated_run_plays_the_real_adapter_and_costs_nothing(house, monkeypatch):
    monkeypatch.setattr(simulating, "run", lambda line, verb, make: make())
    generation = house.make(mode="simulated")
    house.adapter.tell("submit", Done(outputs=text()))
    house.run(generation)
    generation = fresh(generation)
    assert (generation.status, generation.charged_micros) == ("succeeded", 0)
    assert (
        generation.receipt["lines"][0]["label"] == "Simulated (recorded answers): quoted as usual, nothing is charged."
    )
    assert generation.assets.get().facts["simulated"] is True
    assert house.adapter.count("submit") == 1


def test_the_mock_provider_itself_charges(house):
    generation = house.make(model="mock/image")
    house.run(generation)
    generation = fresh(generation)
    assert (generation.status, generation.mode) == ("succeeded", "mock")
    assert generation.charged_micros == generation.quoted_micros > 0


def test_a_mock_run_of_a_fallback_costs_nothing(house):
    """The mock cannot serve, so another provider's model stands in, and is played by the mock without an account."""
    Provider.objects.get(slug="mock").accounts.update(status="disabled")
    Provider.objects.filter(slug="scripted").update(mode_override="mock")
    generation = house.make(model="mock/image", fallbacks=["scripted/paint"])
    assert generation.mode == "mock"
    house.run(generation)
    assert (fresh(generation).status, fresh(generation).charged_micros) == ("succeeded", 0)
