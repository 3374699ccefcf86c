"""The only writer of money: each verb, once and again, and a wallet that always equals the sum of its entries."""

from __future__ import annotations

import threading
import uuid
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from accounts import ledger, money
from accounts.errors import InsufficientCredits, Refused
from accounts.models import Entry, Exchange, Pool, ProviderAccount, Workspace
from providers.models import Provider

pytestmark = pytest.mark.django_db
JOB, OTHER = uuid.uuid4(), uuid.uuid4()


@pytest.fixture
def wallet(db) -> Pool:
    pool = ledger.wallet(Workspace.objects.create(slug="w", name="W"))
    ledger.grant(pool, amount=100, key="start")
    return pool


@pytest.fixture
def login(db) -> ProviderAccount:
    provider = Provider.objects.create(
        slug="bank", name="Bank", kind="remote", catalogue={"credit_types": [{"key": "usd", "credits": "100"}]}
    )
    return ProviderAccount.objects.create(provider=provider, label="Main")


def figures(pool: Pool) -> tuple[int | None, int]:
    return Pool.objects.values_list("balance", "held").get(pk=pool.pk)


def sums(pool: Pool) -> tuple[int, int]:
    found = pool.entries.aggregate(amount=Sum("amount"), held=Sum("held_change"))
    return found["amount"] or 0, found["held"] or 0


# -- the verbs --------------------------------------------------------------------------------------------------------
def test_a_wallet_is_made_once_and_empty(db):
    workspace = Workspace.objects.create(slug="w", name="W")
    assert figures(ledger.wallet(workspace)) == (0, 0)
    assert ledger.wallet(workspace) == ledger.wallet(workspace)


def test_the_way_of_a_job_that_cost_less_than_its_hold(wallet):
    ledger.hold(wallet, amount=30, key="hold", reference=JOB)
    assert figures(wallet) == (100, 30)
    ledger.capture(wallet, amount=20, key="capture", reference=JOB)
    assert figures(wallet) == (80, 10)
    ledger.release(wallet, key="release", reference=JOB)
    assert figures(wallet) == sums(wallet) == (80, 0)
    ledger.refund(wallet, amount=5, key="refund", reference=JOB, note="sorry")
    assert figures(wallet) == sums(wallet) == (85, 0)


def test_each_entry_says_where_it_left_the_pool(wallet):
    actor = get_user_model().objects.create(username="a")
    ledger.hold(wallet, amount=30, key="hold", reference=JOB)
    ledger.capture(wallet, amount=20, key="capture", reference=JOB, note="why")
    entry = ledger.adjust(wallet, amount=-7, key="adjust", note="a correction", actor=actor)
    rows = list(
        wallet.entries.order_by("id").values_list("kind", "amount", "held_change", "balance_after", "held_after")
    )
    assert rows == [
        ("grant", 100, 0, 100, 0),
        ("hold", 0, 30, 100, 30),
        ("capture", -20, -20, 80, 10),
        ("adjust", -7, 0, 73, 10),
    ]
    assert (entry.balance_after, entry.held_after, entry.actor, entry.note) == (73, 10, actor, "a correction")


def test_repeating_any_verb_changes_nothing(wallet):
    for _ in range(3):
        ledger.grant(wallet, amount=50, key="g")
        ledger.hold(wallet, amount=30, key="h", reference=JOB)
        ledger.capture(wallet, amount=20, key="c", reference=JOB)
        ledger.release(wallet, key="r", reference=JOB)
        ledger.refund(wallet, amount=5, key="f", reference=JOB)
        ledger.adjust(wallet, amount=-1, key="a", note="x")
    assert figures(wallet) == sums(wallet) == (100 + 50 - 20 + 5 - 1, 0)
    assert wallet.entries.count() == 7


def test_a_repeat_answers_with_the_first_entry(wallet):
    first = ledger.grant(wallet, amount=50, key="g")
    assert ledger.grant(wallet, amount=99, key="g") == first
    assert figures(wallet) == (150, 0)


def test_nothing_to_hold_release_or_refund_writes_nothing(wallet):
    assert ledger.hold(wallet, amount=0, key="h", reference=JOB) is None
    assert ledger.release(wallet, key="r", reference=JOB) is None
    assert ledger.refund(wallet, amount=0, key="f", reference=JOB) is None
    assert wallet.entries.count() == 1


def test_a_capture_of_nothing_is_an_entry(wallet):
    ledger.hold(wallet, amount=30, key="h", reference=JOB)
    ledger.capture(wallet, amount=0, key="c", reference=JOB)
    assert (wallet.entries.filter(kind="capture").count(), figures(wallet)) == (1, (100, 30))


def test_what_is_released_is_what_is_still_open(wallet):
    ledger.hold(wallet, amount=30, key="h1", reference=JOB)
    ledger.hold(wallet, amount=15, key="h2", reference=OTHER)
    assert ledger.open_hold(wallet, JOB) == 30
    ledger.release(wallet, key="r", reference=JOB)
    assert (figures(wallet), ledger.open_hold(wallet, OTHER)) == ((100, 15), 15)


# -- what a wallet cannot do ------------------------------------------------------------------------------------------
def test_a_hold_beyond_the_wallet_is_refused_with_the_figures():
    pool = ledger.wallet(Workspace.objects.create(slug="w", name="W"))
    ledger.grant(pool, amount=money.to_micros("10"), key="g")
    ledger.hold(pool, amount=money.to_micros("7.5"), key="h", reference=JOB)
    with pytest.raises(InsufficientCredits) as caught:
        ledger.hold(pool, amount=money.to_micros("1234.56"), key="h2", reference=OTHER)
    assert caught.value.detail == (
        "This needs 1,234.56 credits and 2.50 are available. Add credits to the wallet or choose something cheaper."
    )
    assert (caught.value.status, caught.value.code) == (402, "insufficient_credits")
    assert figures(pool) == sums(pool) == (10_000_000, 7_500_000)
    assert not pool.entries.filter(key="h2").exists(), "and the key is free for the next try"


def test_exactly_what_is_there_may_be_held(wallet):
    ledger.hold(wallet, amount=100, key="h", reference=JOB)
    with pytest.raises(InsufficientCredits):
        ledger.hold(wallet, amount=1, key="h2", reference=OTHER)


def test_a_capture_never_takes_what_others_hold(wallet):
    ledger.hold(wallet, amount=30, key="h1", reference=JOB)
    ledger.hold(wallet, amount=60, key="h2", reference=OTHER)
    with pytest.raises(InsufficientCredits):
        ledger.capture(wallet, amount=41, key="c", reference=JOB)
    ledger.capture(wallet, amount=40, key="c", reference=JOB)
    assert figures(wallet) == sums(wallet) == (60, 60)


def test_an_adjustment_cannot_go_below_what_is_held(wallet):
    ledger.hold(wallet, amount=30, key="h", reference=JOB)
    with pytest.raises(InsufficientCredits):
        ledger.adjust(wallet, amount=-71, key="a", note="x")
    ledger.adjust(wallet, amount=-70, key="a", note="x")
    assert figures(wallet) == (30, 30)


@pytest.mark.parametrize("amount", [0, -5])
def test_a_grant_gives(wallet, amount):
    with pytest.raises(ValueError, match="a constraint forbids it"):
        ledger.grant(wallet, amount=amount, key="g")
    assert figures(wallet) == (100, 0)


@pytest.mark.parametrize("verb", ["hold", "capture", "refund"])
def test_no_verb_goes_backwards(wallet, verb):
    ledger.hold(wallet, amount=30, key="h", reference=JOB)
    with pytest.raises(ValueError, match="a constraint forbids it"):
        getattr(ledger, verb)(wallet, amount=-5, key="x", reference=JOB)
    assert figures(wallet) == sums(wallet)


# -- an account's pool --------------------------------------------------------------------------------------------------
def test_a_sync_writes_the_difference_as_an_entry(login):
    pool = ledger.account_pool(login, "usd")
    assert figures(pool) == (None, 0)
    assert ledger.sync(pool, balance=500, key="s1") == 500
    assert ledger.sync(pool, balance=480, key="s2") == -20
    assert ledger.sync(pool, balance=480, key="s3") == 0
    assert figures(pool) == sums(pool) == (480, 0)
    assert Pool.objects.get(pk=pool.pk).synced_at is not None
    assert list(pool.entries.order_by("id").values_list("key", "amount")) == [("s1", 500), ("s2", -20)]


def test_a_sync_repeated_under_its_key_moves_nothing_and_says_what_it_moved(login):
    pool = ledger.account_pool(login, "usd")
    ledger.sync(pool, balance=500, key="s1")
    ledger.capture(pool, amount=30, key="c", reference=JOB)
    assert ledger.sync(pool, balance=500, key="s1") == 500
    assert figures(pool) == sums(pool) == (470, 0)


def test_an_unknown_balance_follows_its_entries_once_it_is_known(login):
    pool = ledger.account_pool(login, "usd")
    ledger.hold(pool, amount=40, key="h", reference=JOB)
    ledger.capture(pool, amount=40, key="c", reference=JOB)
    assert figures(pool) == (None, 0)
    ledger.sync(pool, balance=300, key="s")
    assert figures(pool) == sums(pool) == (300, 0)
    ledger.sync(pool, balance=None, key="s2")
    assert (figures(pool), Pool.objects.get(pk=pool.pk).unlimited) == ((None, 0), True)
    ledger.capture(pool, amount=7, key="c2", reference=OTHER)
    ledger.sync(pool, balance=100, key="s3")
    assert figures(pool) == sums(pool) == (100, 0)


def test_what_an_account_is_known_to_have_is_held_once(login):
    pool = ledger.account_pool(login, "usd")
    ledger.sync(pool, balance=50, key="s")
    ledger.hold(pool, amount=40, key="h", reference=JOB)
    with pytest.raises(InsufficientCredits):
        ledger.hold(pool, amount=11, key="h2", reference=OTHER)
    ledger.hold(pool, amount=10, key="h2", reference=OTHER)
    assert figures(pool) == sums(pool) == (50, 50)


def test_an_account_may_fall_below_its_holds_when_it_paid_more_or_has_less_than_we_thought(login):
    pool = ledger.account_pool(login, "usd")
    ledger.sync(pool, balance=50, key="s")
    ledger.hold(pool, amount=40, key="h", reference=JOB)
    ledger.sync(pool, balance=10, key="s2")
    assert figures(pool) == sums(pool) == (10, 40)
    ledger.capture(pool, amount=55, key="c", reference=JOB)
    assert figures(pool) == sums(pool) == (-45, 0)


def test_an_unknown_or_unlimited_account_is_held_without_limit(login):
    pool = ledger.account_pool(login, "usd")
    ledger.hold(pool, amount=10**12, key="h", reference=JOB)
    ledger.sync(pool, balance=5, key="s")
    Pool.objects.filter(pk=pool.pk).update(unlimited=True)
    ledger.hold(pool, amount=10**12, key="h2", reference=JOB)
    assert figures(pool) == (5, 2 * 10**12)


def test_what_a_unit_is_worth(login):
    assert ledger.exchange(login.provider, "usd").credits == 100
    assert ledger.exchange(login.provider, "web").credits == 1
    Exchange.objects.create(provider=None, credit_type="usd", credits=Decimal(80))
    assert ledger.exchange(login.provider, "usd").credits == 80
    Exchange.objects.create(provider=login.provider, credit_type="usd", credits=Decimal(70))
    assert ledger.exchange(login.provider, "usd").credits == 70


# -- the database keeps the rules too ---------------------------------------------------------------------------------
@pytest.mark.parametrize("what", ["held = -1", "balance = 5, held = 6", "balance = NULL", "workspace_id = NULL"])
def test_raw_sql_cannot_break_a_wallet(wallet, what):
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE accounts_pool SET {what} WHERE workspace_id IS NOT NULL")


@pytest.mark.parametrize(
    ("kind", "amount", "held"),
    [
        ("hold", 0, -1),
        ("hold", 1, 1),
        ("hold", 0, 0),
        ("release", 0, 1),
        ("release", -1, -1),
        ("capture", 1, 0),
        ("capture", 0, 1),
        ("grant", -1, 0),
        ("grant", 1, 1),
        ("refund", 0, 0),
        ("refund", -1, 0),
        ("adjust", 1, 1),
        ("adjust", 0, 0),
        ("gift", 1, 0),
    ],
)
def test_raw_sql_cannot_write_a_line_that_means_nothing(wallet, kind, amount, held):
    row = {"pool": wallet, "kind": kind, "amount": amount, "held_change": held, "held_after": 0, "key": "raw"}
    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.create(**row)


def test_raw_sql_cannot_use_a_key_twice(wallet):
    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.create(pool=wallet, kind="grant", amount=1, held_after=0, key="start")


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_on_ten_credits_never_overspend():
    pool = ledger.wallet(Workspace.objects.create(slug="storm", name="Storm"))
    ledger.grant(pool, amount=10, key="g")
    said: list[str] = []
    start = threading.Barrier(5)

    def spender(number: int) -> None:
        try:
            start.wait(10)
            for turn in range(4):
                reference = uuid.uuid4()
                try:
                    ledger.hold(pool, amount=1, key=f"h{number}-{turn}", reference=reference)
                    said.append("held")
                except InsufficientCredits:
                    said.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=spender, args=(number,)) for number in range(5)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert (said.count("held"), said.count("refused")) == (10, 10)
    assert figures(pool) == sums(pool) == (10, 10)


@pytest.mark.django_db(transaction=True)
def test_one_key_used_by_four_at_once_moves_once():
    pool = ledger.wallet(Workspace.objects.create(slug="storm", name="Storm"))
    start = threading.Barrier(4)

    def giver() -> None:
        try:
            start.wait(10)
            ledger.grant(pool, amount=10, key="same")
        finally:
            connection.close()

    threads = [threading.Thread(target=giver) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert figures(pool) == sums(pool) == (10, 0)


# -- any order --------------------------------------------------------------------------------------------------------
AMOUNT = st.integers(min_value=1, max_value=60)
KEY = st.integers(min_value=0, max_value=30).map("k{}".format)
NAMES = st.sampled_from([uuid.uuid5(uuid.NAMESPACE_DNS, name) for name in "abc"])


class Model(RuleBasedStateMachine):
    """A wallet beside a few lines of arithmetic that must always agree with it."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = ledger.wallet(Workspace.objects.create(slug=uuid.uuid4().hex, name="M"))
        self.balance = self.held = 0
        self.open: dict[uuid.UUID, int] = {}
        self.keys: set[str] = set()

    @rule(amount=AMOUNT, key=KEY)
    def grant(self, amount, key):
        self._follow(lambda: ledger.grant(self.pool, amount=amount, key=key), key, amount, 0)

    @rule(amount=AMOUNT, key=KEY, sign=st.sampled_from([1, -1]))
    def adjust(self, amount, key, sign):
        self._follow(lambda: ledger.adjust(self.pool, amount=sign * amount, key=key, note="x"), key, sign * amount, 0)

    @rule(amount=AMOUNT, key=KEY, job=NAMES)
    def hold(self, amount, key, job):
        self._follow(lambda: ledger.hold(self.pool, amount=amount, key=key, reference=job), key, 0, amount, job)

    @rule(amount=AMOUNT, key=KEY, job=NAMES)
    def capture(self, amount, key, job):
        covered = min(amount, self.open.get(job, 0))
        self._follow(
            lambda: ledger.capture(self.pool, amount=amount, key=key, reference=job), key, -amount, -covered, job
        )

    @precondition(lambda self: any(self.open.values()))
    @rule(key=KEY, job=NAMES)
    def release(self, key, job):
        still = self.open.get(job, 0)
        if still:
            self._follow(lambda: ledger.release(self.pool, key=key, reference=job), key, 0, -still, job)

    @rule(amount=AMOUNT, key=KEY, job=NAMES)
    def refund(self, amount, key, job):
        self._follow(lambda: ledger.refund(self.pool, amount=amount, key=key, reference=job), key, amount, 0)

    def _follow(self, verb, key, amount, held, job=None):
        fresh = key not in self.keys
        if fresh and (amount < 0 or held > 0) and self.balance + amount < self.held + held:
            with pytest.raises(InsufficientCredits):
                verb()
            return
        verb()
        if fresh:
            self.keys.add(key)
            self.balance, self.held = self.balance + amount, self.held + held
            if job:
                self.open[job] = self.open.get(job, 0) + held

    @invariant()
    def the_figures_are_the_model_s_and_the_sum_of_the_entries(self):
        assert figures(self.pool) == sums(self.pool) == (self.balance, self.held)
        assert 0 <= self.held <= self.balance
        assert {job: ledger.open_hold(self.pool, job) for job in self.open} == self.open
        assert self.pool.entries.count() == len(self.keys)


def test_a_wallet_always_equals_the_sum_of_its_entries(db):
    run_state_machine_as_test(
        Model,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


# -- micros -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("credits", "micros"),
    [("1", 10**6), ("0.0000001", 1), (Decimal("2.5000001"), 2_500_001), (3, 3 * 10**6), ("-0.0000001", 0)],
)
def test_credits_become_micros_rounded_up(credits, micros):
    assert money.to_micros(credits) == micros


def test_micros_are_shown_whole_or_short():
    assert (money.show(20_000_000), money.show(1), money.show(None)) == ("20.000000", "0.000001", None)
    assert (money.short(1_234_567_890_000), money.short(None), money.short(-5_000)) == ("1,234,567.89", "–", "-0.00")


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "0", "-1", "1e30", "0.00000000", None])
def test_what_is_no_amount_is_refused_by_name(text):
    with pytest.raises(Refused) as caught:
        money.read_amount(text, field="by")
    assert list(caught.value.fields) == ["by"]


def test_an_amount_may_be_negative_where_that_is_meant():
    assert money.read_amount("-12.5", positive=False) == -12_500_000
    assert money.read_amount("12.5") == 12_500_000
