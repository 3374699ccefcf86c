"""What people and programs do to a generation: create, cancel, pause, resume, retry, settle, remove; and callbacks."""

from __future__ import annotations

import uuid

import pytest
from django.db import IntegrityError, transaction
from scripted import CREDIT, fresh, kinds, last, later, oops, open_house, overdue, text

from accounts import ledger, people
from accounts.errors import Refused
from accounts.models import Entry, Lease
from generations import lifecycle, submitting, tasks
from generations import settling as looking_for
from generations.lifecycle import creating, settling
from generations.lifecycle.moves import Stale, due, fence, move
from generations.models import Generation, Step
from generations.models.generations import LIVE, TERMINAL, Status
from generations.policy import MAX_RETRIES
from providers.types import Accepted
from providers.types import Status as Seen

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def house(db, monkeypatch):
    with open_house(monkeypatch) as made:
        yield made


def refused(call, *args, **kwargs) -> Refused:
    with pytest.raises(Refused) as caught:
        call(*args, **kwargs)
    return caught.value


def finished(house, **more) -> Generation:
    generation = house.accepted(**more)
    house.adapter.tell("poll", Seen(state="succeeded", outputs=text()))
    house.run(generation)
    return fresh(generation)


# -- create -----------------------------------------------------------------------------------------------------------
def test_a_new_generation_is_quoted_held_due_and_told(house):
    generation = house.make(params={"prompt": "a lighthouse", "count": 2}, metadata={"shot": "1"}, priority=3)
    assert (generation.status, generation.quoted_micros, generation.held_micros) == ("queued", 10 * CREDIT, 10 * CREDIT)
    assert (generation.step.verb, generation.step.cluster, generation.step.priority) == ("submit", "default", 3)
    assert house.wallet == (1000 * CREDIT, 10 * CREDIT)
    assert [(event.kind, event.status) for event in generation.events.all()] == [("status", "queued")]
    assert generation.prompt == "a lighthouse" and generation.fingerprint and generation.expected_seconds == 7


def test_what_cannot_be_afforded_leaves_nothing_behind(house):
    ledger.adjust(ledger.wallet(house.workspace), amount=-996 * CREDIT, key="spent", note="elsewhere")
    error = refused(house.make)
    assert (error.code, error.status) == ("insufficient_credits", 402)
    assert error.detail.startswith("This needs 5.00 credits and 4.00 are available.")
    assert (Generation.objects.count(), Step.objects.count(), house.wallet) == (0, 0, (4 * CREDIT, 0))


def test_the_same_key_and_body_is_the_same_generation(house):
    first = house.make(key="k1")
    again, created = lifecycle.create(
        order=house.order(), workspace=house.workspace, user=house.user, idempotency_key="k1"
    )
    assert (again, created) == (first, False)
    assert (Generation.objects.count(), house.wallet[1]) == (1, 5 * CREDIT)


def test_the_same_key_with_another_body_is_a_conflict(house):
    house.make(key="k1")
    error = refused(house.make, key="k1", params={"prompt": "another"})
    assert (error.code, error.status) == ("idempotency_conflict", 409)
    assert Generation.objects.count() == 1


def test_a_key_belongs_to_its_workspace(house):
    other = people.make_workspace("Other", house.user)
    ledger.grant(ledger.wallet(other), amount=100 * CREDIT, key="g")
    first = house.make(key="k1")
    second, created = lifecycle.create(order=house.order(), workspace=other, user=house.user, idempotency_key="k1")
    assert created and second != first


def test_a_key_outlives_the_end_and_the_removal_of_its_generation(house):
    generation = house.make(key="k1")
    lifecycle.cancel(generation, by="alice")
    lifecycle.remove(fresh(generation), by="alice")
    assert house.make(key="k1") == generation


def test_two_calls_with_one_key_at_the_same_moment_make_one_generation(house, monkeypatch):
    """Both have looked for the key before either wrote: the unique column decides."""
    first = house.make(key="k1")
    real, asked = creating._known, []

    def blind(*args):
        asked.append(args)
        return None if len(asked) == 1 else real(*args)

    monkeypatch.setattr(creating, "_known", blind)
    assert house.make(key="k1") == first
    assert (Generation.objects.count(), house.wallet[1]) == (1, 5 * CREDIT)


def test_a_key_may_have_255_characters(house):
    assert house.make(key="k" * 255).idempotency_key == "k" * 255
    assert refused(house.make, key="k" * 256).fields == {"Idempotency-Key": ["Too long."]}


# -- cancel -----------------------------------------------------------------------------------------------------------
def test_what_waits_is_cancelled_at_once(house):
    generation = lifecycle.cancel(house.make(), by="alice")
    assert (generation.status, generation.charged_micros, house.wallet) == ("cancelled", 0, (1000 * CREDIT, 0))
    assert generation.events.last().data["by"] == "alice"
    assert not Step.objects.exists()


def test_what_is_paused_is_cancelled_at_once(house):
    generation = lifecycle.pause(house.make(), by="alice")
    assert lifecycle.cancel(generation, by="alice").status == "cancelled"


def test_what_waits_for_its_retry_is_cancelled_at_once(house):
    generation = house.make()
    house.adapter.tell("submit", oops("remote_failed"))
    house.submit()
    assert lifecycle.cancel(fresh(generation), by="alice").status == "cancelled"


def test_a_cancel_voids_the_claim_of_a_worker_that_has_not_begun(house):
    generation = house.make()
    (step,) = house.claim("default")
    lifecycle.cancel(generation, by="alice")
    with pytest.raises(Stale):
        lifecycle.begin(step, generation, seconds=10)
    assert (fresh(generation).status, generation.attempts.count()) == ("cancelled", 0)


def test_under_way_the_wish_is_kept_and_the_next_look_brought_forward(house):
    house.respec(polling={"first": 100})
    generation = house.accepted()
    lifecycle.cancel(generation, by="alice")
    wished = fresh(generation)
    assert (wished.status, kinds(generation)[-1]) == ("running", "cancel_requested")
    assert Step.objects.get().due_at < wished.cancel_requested_at.timestamp() + 1
    lifecycle.cancel(wished, by="bob")
    assert fresh(generation).cancel_requested_at == wished.cancel_requested_at
    assert kinds(generation).count("cancel_requested") == 1


def test_while_results_are_fetched_it_is_too_late(house):
    generation = house.accepted()
    house.adapter.tell("poll", Seen(state="succeeded", outputs=text()))
    house.look()
    lifecycle.cancel(fresh(generation), by="alice")
    house.fetch()
    assert (fresh(generation).status, house.wallet) == ("succeeded", (995 * CREDIT, 0))


def test_an_unknown_outcome_waits_for_its_truth_before_it_is_cancelled(house):
    house.respec(traits={"find": True})
    generation = house.lost()
    lifecycle.cancel(fresh(generation), by="alice")
    assert fresh(generation).unknown
    with later(600):
        for _ in range(looking_for.FINDS):
            house.submit()
    assert (fresh(generation).status, house.adapter.count("submit")) == ("cancelled", 1)


def test_a_lost_job_that_is_found_is_then_asked_to_cancel(house):
    house.respec(traits={"find": True})
    generation = house.lost()
    lifecycle.cancel(fresh(generation), by="alice")
    house.adapter.tell("find", Accepted(remote_id="r"))
    house.adapter.tell("cancel", "confirmed")
    house.submit()
    house.look()
    assert fresh(generation).status == "cancelled"


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume"])
def test_what_has_ended_stays_as_it_is(house, verb):
    generation = finished(house)
    error = refused(getattr(lifecycle, verb), generation, by="alice")
    assert (error.status, error.detail) == (409, "This has already ended.")
    assert fresh(generation).status == "succeeded"


# -- pause and resume -------------------------------------------------------------------------------------------------
def test_a_paused_generation_waits_for_its_person_and_keeps_its_hold(house):
    generation = lifecycle.pause(house.make(), by="alice")
    assert (house.submit(), fresh(generation).status) == (0, "paused")
    with later(3 * 24 * 3600):
        assert house.submit(died=True) == 0
    assert house.wallet == (1000 * CREDIT, 5 * CREDIT)
    lifecycle.resume(generation, by="alice")
    house.submit()
    assert fresh(generation).status == "running"


def test_a_pause_voids_the_claim_of_a_worker_that_has_not_begun(house):
    generation = house.make()
    (step,) = house.claim("default")
    lifecycle.pause(generation, by="alice")
    submitting.work(step)
    assert (fresh(generation).status, house.adapter.calls) == ("paused", [])


def test_only_what_is_queued_can_be_paused_and_only_what_is_paused_resumed(house):
    running, queued = house.accepted(), house.make()
    assert refused(lifecycle.pause, running, by="alice").status == 409
    assert refused(lifecycle.resume, running, by="alice").status == 409
    assert refused(lifecycle.resume, queued, by="alice").status == 409
    lifecycle.pause(queued, by="alice")
    assert refused(lifecycle.pause, queued, by="alice").status == 409


# -- retry and remove -------------------------------------------------------------------------------------------------
def test_a_retry_is_a_new_generation_with_the_same_order(house):
    generation = house.make(
        params={"prompt": "x", "count": 2}, priority=2, metadata={"a": 1}, account=str(house.account.pk)
    )
    lifecycle.cancel(generation, by="alice")
    again = lifecycle.retry(fresh(generation), by=house.user)
    assert (again.retry_of, again.status, again.idempotency_key) == (generation, "queued", None)
    same = ("params", "priority", "metadata", "mode", "operation", "capability", "pinned", "fingerprint", "fallbacks")
    assert [getattr(again, name) for name in same] == [getattr(generation, name) for name in same]
    assert fresh(generation).status == "cancelled"
    assert list(generation.retried_as.all()) == [again]


def test_what_is_under_way_is_neither_retried_nor_removed(house):
    generation = house.accepted()
    assert refused(lifecycle.retry, generation, by=house.user).status == 409
    assert refused(lifecycle.remove, generation, by="alice").status == 409


def test_a_removed_generation_is_hidden_with_its_assets_and_keeps_its_money_and_story(house):
    generation = finished(house)
    lifecycle.remove(generation, by="alice")
    assert not Generation.objects.visible_in(house.workspace).exists()
    assert generation.assets.get().deleted_at is not None
    assert (kinds(generation)[-1], house.wallet) == ("removed", (995 * CREDIT, 0))


# -- settle -----------------------------------------------------------------------------------------------------------
def test_arrived_follows_the_job_under_the_id_a_person_gives(house):
    generation = house.lost()
    settled = lifecycle.settle(fresh(generation), verdict="arrived", remote_id="seen-there", by="alice")
    assert (settled.status, settled.unknown, last(generation).remote_id) == ("running", False, "seen-there")
    house.adapter.tell("poll", Seen(state="succeeded", outputs=text()))
    house.run(generation)
    assert (fresh(generation).charged_micros, house.adapter.count("submit")) == (5 * CREDIT, 1)


def test_arrived_needs_the_id_and_an_id_of_its_own(house):
    other, generation = house.accepted(), house.lost()
    assert "remote_id" in refused(lifecycle.settle, generation, verdict="arrived", by="alice").fields
    error = refused(lifecycle.settle, generation, verdict="arrived", remote_id=last(other).remote_id, by="alice")
    assert error.fields == {"remote_id": ["Another generation follows this job already."]}
    assert fresh(generation).unknown


def test_never_arrived_gives_the_attempt_up_and_tries_again(house):
    generation = house.lost()
    settled = lifecycle.settle(fresh(generation), verdict="never_arrived", by="alice")
    assert (settled.status, settled.retries, last(generation).state) == ("queued", 1, "abandoned")
    assert (house.pool(), house.wallet) == ((100 * CREDIT, 0), (1000 * CREDIT, 5 * CREDIT))
    assert not Lease.objects.exists()
    house.submit()
    assert (fresh(generation).status, generation.attempts.count()) == ("running", 2)


def test_never_arrived_ends_it_when_the_retries_are_used_up_or_nobody_wants_it(house):
    generation = house.lost()
    Generation.objects.update(retries=MAX_RETRIES)
    assert lifecycle.settle(fresh(generation), verdict="never_arrived", by="alice").status == "failed"
    other = house.lost()
    lifecycle.cancel(fresh(other), by="alice")
    assert lifecycle.settle(fresh(other), verdict="never_arrived", by="alice").status == "cancelled"


def test_charged_makes_the_account_pay_and_the_wallet_whole(house):
    generation = house.lost()
    settled = lifecycle.settle(fresh(generation), verdict="charged", by="alice")
    assert (settled.status, settled.error_code) == ("failed", "result_gone")
    assert (last(generation).state, last(generation).charged) == ("abandoned", "yes")
    assert (house.pool(), house.wallet) == ((99_950_000, 0), (1000 * CREDIT, 0))


@pytest.mark.parametrize(
    ("verdict", "charged", "balance"), [("never_arrived", "no", 100_000_000), ("charged", "yes", 99_950_000)]
)
def test_the_account_of_an_expired_attempt_is_settled_once_and_the_end_stays(house, verdict, charged, balance):
    generation = house.accepted()
    overdue(generation)
    house.look()
    house.look()
    assert house.pool() == (100 * CREDIT, 50_000)
    settled = lifecycle.settle(fresh(generation), verdict=verdict, by="alice")
    assert (settled.status, settled.error_code, last(generation).charged) == ("failed", "expired", charged)
    assert house.pool() == (balance, 0)
    assert refused(lifecycle.settle, settled, verdict="charged", by="bob").status == 409
    assert house.pool() == (balance, 0)


def test_two_people_with_two_verdicts_settle_it_once(house):
    generation = house.accepted()
    overdue(generation)
    house.look()
    house.look()
    mine = last(generation)
    lifecycle.settle(fresh(generation), verdict="charged", by="alice")
    with pytest.raises(Stale):
        settling._expired(mine, charged=False, by="bob")
    assert (last(generation).charged, house.pool()) == ("yes", (99_950_000, 0))


def test_settling_what_a_worker_settled_meanwhile_is_a_conflict(house):
    house.respec(traits={"find": True})
    generation = house.lost()
    attempt = last(generation)
    house.adapter.tell("find", Accepted(remote_id="r"))
    house.submit()
    with pytest.raises(Stale):
        settling._never_arrived(fresh(generation), attempt, "alice", "")
    assert (fresh(generation).status, last(generation).state) == ("running", "accepted")
    assert refused(lifecycle.settle, fresh(generation), verdict="charged", by="alice").status == 409


def test_a_person_takes_the_step_from_the_worker_who_is_asking(house):
    house.respec(traits={"find": True})
    generation = house.lost()

    def find(job):
        lifecycle.settle(fresh(generation), verdict="charged", by="alice")
        return Accepted(remote_id="r")

    house.adapter.tell("find", find)
    house.submit()
    assert (fresh(generation).status, last(generation).state) == ("failed", "abandoned")


@pytest.mark.parametrize("verdict", ["arrived", "never_arrived", "charged"])
def test_only_an_open_question_takes_a_verdict(house, verdict):
    for generation in (house.make(), house.accepted()):
        error = refused(lifecycle.settle, generation, verdict=verdict, by="alice", remote_id="r")
        assert (error.status, error.detail) == (409, "Nothing here waits for a verdict.")


def test_never_arrived_waits_while_the_provider_is_being_asked(house):
    generation = house.lost()
    house.claim("default")
    error = refused(lifecycle.settle, fresh(generation), verdict="never_arrived", by="alice")
    assert (error.status, last(generation).state) == (409, "unknown")


def test_an_unknown_verdict_is_refused_by_name(house):
    assert "verdict" in refused(lifecycle.settle, house.lost(), verdict="maybe", by="alice").fields


# -- callbacks --------------------------------------------------------------------------------------------------------
def test_a_callback_brings_the_next_look_forward_however_often_it_comes(house):
    house.respec(polling={"first": 100})
    generation = house.accepted()
    for _ in range(5):
        lifecycle.callback(last(generation))
    assert Step.objects.get().due_at <= fresh(generation).events.last().at.timestamp() + 1
    house.adapter.tell("poll", Seen(state="succeeded", outputs=text()))
    house.run(generation)
    assert (fresh(generation).status, house.wallet) == ("succeeded", (995 * CREDIT, 0))


def test_a_callback_leaves_a_look_under_way_alone(house):
    generation = house.accepted()
    (look,) = house.looks()
    due_at = look.step.due_at
    lifecycle.callback(last(generation))
    assert Step.objects.get().due_at == pytest.approx(due_at)


def test_a_callback_tells_where_a_lost_job_went(house):
    generation = house.lost()
    lifecycle.callback(last(generation), "told-by-callback")
    assert (fresh(generation).status, last(generation).remote_id) == ("running", "told-by-callback")
    assert house.adapter.count("submit") == 1


def test_a_callback_during_the_call_is_remembered_should_its_answer_be_lost(house):
    def submit(job):
        lifecycle.callback(last(generation), "told-early")
        raise oops("unknown_outcome")

    generation = house.make()
    house.adapter.tell("submit", submit)
    house.submit()
    assert (fresh(generation).unknown, last(generation).remote_id) == (True, "told-early")
    house.submit()
    assert (fresh(generation).status, house.adapter.count("submit"), house.adapter.count("poll")) == ("running", 1, 1)


def test_a_callback_without_an_id_has_the_lost_job_looked_for_now(house):
    generation = house.lost()
    house.submit()
    assert Step.objects.get().due_at > fresh(generation).events.last().at.timestamp() + 60
    lifecycle.callback(last(generation))
    assert Step.objects.get().due_at <= fresh(generation).events.last().at.timestamp() + 1


def test_a_callback_that_names_another_job_adopts_nothing(house):
    other, generation = house.accepted(), house.lost()
    lifecycle.callback(last(generation), last(other).remote_id)
    assert fresh(generation).unknown
    assert kinds(generation)[-1] == "callback"


def test_a_callback_after_the_end_is_kept_and_flips_nothing(house):
    generation = house.accepted()
    overdue(generation)
    house.look()
    house.look()
    entries = Entry.objects.count()
    lifecycle.callback(last(generation), "r")
    assert (fresh(generation).status, kinds(generation)[-1]) == ("failed", "late_callback")
    assert Entry.objects.count() == entries


# -- the primitives ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("end", TERMINAL)
def test_a_terminal_status_never_changes(house, end):
    generation = house.make()
    if end == Status.SUCCEEDED:
        house.adapter.tell("poll", Seen(state="succeeded", outputs=text()))
        house.run(generation)
    else:
        lifecycle.fail(generation, code="x", message="x", status=end)
    for new in Status.values:
        with pytest.raises(Stale):
            move(fresh(generation), LIVE, new)
    with pytest.raises(Stale):
        lifecycle.fail(fresh(generation), code="y", message="y")
    assert fresh(generation).status == end


def test_a_fence_lets_only_the_latest_claim_through(house):
    house.make()
    (old,) = house.claim("default")
    (new,) = house.claim("default", died=True)
    with pytest.raises(Stale):
        fence(old)
    with pytest.raises(Stale):
        due(old, "submit", "default")
    fence(new)
    due(new, "submit", "default")
    assert Step.objects.get().claimed is False


def test_a_new_attempt_while_one_is_open_is_refused_by_the_database(house):
    generation = house.accepted()
    attempt = last(generation)
    attempt.pk, attempt.number, attempt.callback_token, attempt.remote_digest = uuid.uuid4(), 2, "t", ""
    with pytest.raises(IntegrityError), transaction.atomic():
        attempt.save(force_insert=True)


def test_every_verb_of_a_step_has_a_worker():
    assert {verb for verb, _ in Step.VERBS} == {*tasks.VERBS, "look"}
