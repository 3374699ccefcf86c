"""A generation's whole life in any order: whatever people, provider, workers and accidents do, the audit stays clean.

Workers are killed between any two steps, leases run out, callbacks come late or twice; an end never changes, no attempt is
sent twice, and the wallet is short of exactly what the receipts say.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from scripted import CREDIT, House, Killed, fresh, last, new_house, oops, overdue, png, text, url

from accounts.errors import Refused
from accounts.models import Lease, ProviderAccount
from generations import auditing, lifecycle
from generations.models import Asset, Attempt, Generation
from generations.models.generations import LIVE, OPEN, TERMINAL
from generations.policy import POLICY
from providers.models import Provider
from providers.types import Accepted, Done, Status

pytestmark = pytest.mark.django_db
CODES = sorted(POLICY)
SUBMITS = st.sampled_from(["accepted", "done", "killed", "broken", "unknown_outcome"]) | st.sampled_from(
    ["accepted", *CODES]
)
LOOKS = st.sampled_from(["running", "succeeded", "addresses", "killed"]) | st.sampled_from(
    ["failed", "filtered", "cancelled", "nonsense", *CODES]
)
FINDS = st.sampled_from(["none", "none", "found", "done", "killed", "unavailable"])
CANCELS = st.sampled_from(["confirmed", "requested", "too_late", "unsupported", "unavailable"])


def killed(given: Any) -> Any:
    raise Killed


class Life(RuleBasedStateMachine):
    house: House

    def __init__(self) -> None:
        super().__init__()
        self.point = transaction.savepoint()
        self.ends: dict[Any, str] = {}
        self.house.adapter.calls.clear()
        self.house.adapter.script.clear()
        self.house.files = {"good.png": png(), "gone.png": oops("result_gone")}

    def teardown(self) -> None:
        transaction.savepoint_rollback(self.point)

    # -- what others do -----------------------------------------------------------------------------------------------
    @initialize(find=st.booleans(), idempotency=st.booleans(), stage=st.integers(0, 4))
    def begin(self, find, idempotency, stage):
        """Somewhere on the straight way, or just lost."""
        self.keyed = idempotency
        self.house.respec(traits={"find": find, "idempotency": idempotency})
        generation = self.house.lost() if stage == 4 else self.house.make()
        if 1 <= stage <= 3:
            self.house.submit()
        if stage == 2:
            self.house.adapter.tell("poll", Status(state="succeeded", outputs=url("good.png", "gone.png")))
            self.house.look()
        if stage == 3:
            overdue(generation)
            self.house.look()

    @precondition(lambda self: Generation.objects.count() < 3)
    @rule(key=st.sampled_from([None, "k"]), count=st.integers(1, 3))
    def create(self, key, count):
        try:
            self.house.make(key=key, params={"prompt": "x", "count": count})
        except Refused as error:
            assert error.code == "idempotency_conflict"

    @rule(answer=SUBMITS, found=FINDS, dead=st.booleans())
    def a_round_of_submits(self, answer, found, dead):
        words = {"accepted": _accepted, "done": _done, "killed": killed, "broken": ZeroDivisionError("?")}
        finds = {"none": None, "found": _accepted, "done": _done, "killed": killed, "unavailable": oops("unavailable")}
        self._round(
            "default", dead, submit=words.get(answer) or oops(answer, charged=len(answer) % 2 == 0), find=finds[found]
        )

    @rule(answer=LOOKS, verdict=CANCELS, dead=st.booleans())
    def a_round_of_looks(self, answer, verdict, dead):
        words = {
            "running": Status(state="running", progress=0.5),
            "succeeded": Status(state="succeeded", outputs=text("a", "b")),
            "addresses": Status(state="succeeded", outputs=url("good.png", "gone.png")),
            "nonsense": "what?",
            "killed": killed,
            **{state: Status(state=state) for state in ("failed", "filtered", "cancelled")},
        }
        word = words.get(answer) or Status(state="failed", error=oops(answer, charged=len(answer) % 2 == 0))
        self._round("poll", dead, poll=word, cancel=oops("unavailable") if verdict == "unavailable" else verdict)

    @rule()
    def all_goes_well(self):
        self._round("default", True, submit=_accepted, find=_accepted)
        self._round("poll", True, poll=Status(state="succeeded", outputs=text("well")), cancel="too_late")
        self._round("io", True)

    @rule(dead=st.booleans(), broken=st.booleans())
    def a_round_of_fetches(self, dead, broken):
        with pytest.MonkeyPatch.context() as patch:
            if broken:
                patch.setattr("generations.lifecycle.succeed", lambda *args, **kwargs: killed(None))
            self._round("io", dead, poll=Status(state="succeeded", outputs=url("good.png")))

    @rule()
    def all_is_well_with_the_accounts_again(self):
        ProviderAccount.objects.update(status="active", cooldown_until=None)
        Provider.objects.update(open_until=None, fuse_at=None, failure_streak=0)

    @rule()
    def the_deadline_passes(self):
        for generation in Generation.objects.all():
            overdue(generation)

    # -- what people do -----------------------------------------------------------------------------------------------
    @rule(pick=st.integers(0, 2), verb=st.sampled_from(["cancel", "pause", "resume", "retry", "remove"]))
    def a_person(self, pick, verb):
        generation = self._one(pick)
        if verb == "retry" and Generation.objects.count() > 4:
            return
        self._may_be_refused(getattr(lifecycle, verb), generation, by=self.house.user)

    @rule(pick=st.integers(0, 2), verdict=st.sampled_from(["arrived", "never_arrived", "charged"]))
    def a_verdict(self, pick, verdict):
        generation = self._one(pick)
        self._may_be_refused(
            lifecycle.settle, generation, verdict=verdict, by="alice", remote_id=f"remote-{generation.pk}"
        )

    @rule(pick=st.integers(0, 2), named=st.booleans(), times=st.integers(1, 2))
    def a_callback(self, pick, named, times):
        attempt = last(self._one(pick)) if self._one(pick).attempts.exists() else None
        for _ in range(times if attempt else 0):
            attempt = fresh(attempt)
            lifecycle.callback(attempt, (attempt.remote_id or f"remote-{attempt.pk}") if named else "")

    def _one(self, pick: int) -> Generation:
        rows = list(Generation.objects.order_by("created_at"))
        return rows[pick % len(rows)]

    def _may_be_refused(self, verb, *given, **how):
        try:
            verb(*given, **how)
        except Refused as error:
            assert error.status in (409, 422)

    def _round(self, cluster: str, dead: bool, **answers: Any) -> None:
        """Each step of the cluster gets the same answer; a kill ends the round and leaves its claims behind."""
        for verb, answer in answers.items():
            self.house.adapter.script[verb] = [answer] * 8
        with contextlib.suppress(Killed):
            if cluster == "poll":
                self.house.look(died=dead)
            else:
                self.house.threads(cluster, died=dead, safely=True)
        self.house.adapter.script.clear()

    # -- what must hold after each of it ------------------------------------------------------------------------------
    @invariant()
    def the_audit_is_clean(self):
        assert [str(offence) for offence in auditing.check()] == []

    @invariant()
    def an_end_never_changes(self):
        for pk, status in Generation.objects.values_list("pk", "status"):
            assert self.ends.get(pk, status) == status
            if status in TERMINAL:
                self.ends[pk] = status

    @invariant()
    def no_attempt_is_sent_twice(self):
        sent = Counter(reference for verb, reference in self.house.adapter.calls if verb == "submit")
        assert self.keyed or all(times == 1 for times in sent.values())
        assert set(sent) <= {str(pk) for pk in Attempt.objects.values_list("pk", flat=True)}

    @invariant()
    def the_wallet_is_short_of_what_the_receipts_say(self):
        charged = Generation.objects.aggregate(total=Sum("charged_micros"))["total"] or 0
        held = Generation.objects.filter(status__in=LIVE).aggregate(total=Sum("held_micros"))["total"] or 0
        assert self.house.wallet == (1000 * CREDIT - charged, held)

    @invariant()
    def nothing_that_failed_kept_a_file_and_nothing_filtered_was_tried_again(self):
        assert not Asset.objects.filter(generation__status__in=["cancelled", "filtered"]).exists()
        for attempt in Attempt.objects.filter(state="filtered"):
            assert attempt.number == attempt.generation.attempts.count()

    @invariant()
    def a_place_is_held_for_each_open_attempt_that_needs_one(self):
        assert Lease.objects.count() == Attempt.objects.filter(state__in=OPEN).count()


def _accepted(job: Any) -> Accepted:
    return Accepted(remote_id=f"remote-{job.reference}")


def _done(job: Any) -> Done:
    return Done(outputs=text("at once"), remote_id=f"remote-{job.reference}")


def test_any_life_of_a_generation_keeps_every_rule(db, monkeypatch):
    Life.house = new_house(monkeypatch)
    ProviderAccount.objects.update(max_concurrency=50)
    try:
        run_state_machine_as_test(
            Life,
            settings=settings(
                max_examples=25,
                stateful_step_count=18,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        del Life.house
