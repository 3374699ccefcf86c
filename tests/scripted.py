"""A provider that does what a test tells it, and the levers to work a job by hand: claim, call, apply, one step at a time.

Nothing here opens a connection: the two drivers are replaced by ones that take an adapter's plain answers, downloads come
from a table. Every house is audited when it closes.
"""

from __future__ import annotations

import io
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import time_machine
from django.contrib.auth import get_user_model
from django.utils import timezone
from PIL import Image

from accounts import ledger, people, secrets
from accounts.models import ProviderAccount
from accounts.money import to_micros
from generations import auditing, bells, calling, claims, finishing, lifecycle, looking, orders, poller, tasks
from generations.models import Attempt, Generation, Step
from providers import sync
from providers.adapter import BaseAdapter
from providers.catalogue import load
from providers.errors import ProviderError
from providers.loaded import registry
from providers.models import Capability, Provider
from providers.registry import Entry
from providers.types import Accepted, Output, Reply, Status

FOLDER = Path(__file__).resolve().parent / "data" / "scripted"
CATALOGUE = load(FOLDER)
CREDIT = 1_000_000
FAR = 2.0**40
KNOWN: list[dict[str, Any]] = []  # the capabilities' rows, once they have been synced


class Killed(BaseException):
    """The worker's end in the middle of a call: nothing catches it."""


class ScriptedAdapter(BaseAdapter):
    """Plays a list of answers per verb; an exception is raised, a function is called with the job or handle."""

    def __init__(self, catalogue: Any) -> None:
        super().__init__(catalogue)
        self.script: dict[str, list[Any]] = defaultdict(list)
        self.calls: list[tuple[str, str]] = []
        self.problems: list[Any] = []

    def tell(self, verb: str, *answers: Any) -> None:
        self.script[verb] += answers

    def count(self, verb: str) -> int:
        return sum(name == verb for name, _ in self.calls)

    def check(self, job: Any) -> list[Any]:
        return self.problems

    def submit(self, job: Any) -> Any:
        return self._answer("submit", job, Accepted(remote_id=f"remote-{job.reference}"))

    def poll(self, handle: Any) -> Any:
        return self._answer("poll", handle, Status(state="running"))

    def cancel(self, handle: Any) -> Any:
        return self._answer("cancel", handle, "unsupported")

    def find(self, job: Any) -> Any:
        return self._answer("find", job, None)

    def _answer(self, verb: str, given: Any, default: Any) -> Any:
        self.calls.append((verb, given.reference))
        answer = self.script[verb].pop(0) if self.script[verb] else default
        answer = answer(given) if callable(answer) else answer
        if isinstance(answer, BaseException):
            raise answer
        return answer


class PlainDriver:
    """In place of both drivers: a verb's plain answer is its result."""

    def __init__(self, **given: Any) -> None:
        pass

    def call(self, name: str, make: Callable[[], Any], site: Any, pays_default: bool = False) -> Any:
        return make()


class PlainAsync(PlainDriver):
    async def __aenter__(self) -> PlainAsync:
        return self

    async def __aexit__(self, *error: Any) -> None:
        pass

    async def call(self, name: str, make: Callable[[], Any], site: Any) -> Any:  # type: ignore[override]
        return make()


def png(colour: str = "red", size: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(file, "PNG")
    return file.getvalue()


def text(*words: str) -> tuple[Output, ...]:
    """Results that need no fetching."""
    return tuple(Output(kind="text", text=word) for word in words or ("a result",))


def url(*names: str) -> tuple[Output, ...]:
    return tuple(Output(kind="image", url=f"https://files.scripted.example/{name}") for name in names)


def oops(code: str, message: str = "", **more: Any) -> ProviderError:
    return ProviderError(code, message or f"It says {code}.", **more)


class House:
    """One workspace, a scripted provider with accounts, and everything a worker does as single moves."""

    def __init__(self, workspace: Any, user: Any, patch: Any) -> None:
        self.workspace, self.user, self.patch = workspace, user, patch
        self.files: dict[str, Any] = {}
        self.rung: list[str] = []
        patch.setattr(bells, "ring", self.rung.append)
        patch.setattr(calling, "_driver", PlainDriver)
        patch.setattr(poller, "Async", PlainAsync)
        patch.setattr(finishing, "download", self._download)
        patch.setattr(tasks, "stamp", lambda cluster: None)
        self.adapter = self.provider("scripted")
        self.account = self.login("Main")

    # -- what there is ------------------------------------------------------------------------------------------------
    def provider(self, slug: str) -> ScriptedAdapter:
        catalogue = replace(CATALOGUE, slug=slug, name=slug.capitalize())
        adapter = ScriptedAdapter(catalogue)
        entry = Entry(slug=slug, origin="path", adapter=adapter, catalogue=catalogue)
        self.patch.setitem(registry.entries, slug, entry)
        row = sync._provider(entry)[0]
        if not KNOWN:
            sync._capabilities(row, catalogue)
            KNOWN.extend(row.capabilities.values())
        else:  # as the first sync wrote them, in one statement
            rows = [{**known, "id": None, "provider_id": row.pk} for known in KNOWN]
            Capability.objects.bulk_create(Capability(**known) for known in rows)
        return adapter

    def login(self, label: str, *, slug: str = "scripted", usd: str | None = "100", **more: Any) -> ProviderAccount:
        account = ProviderAccount.objects.create(provider=Provider.objects.get(slug=slug), label=label, **more)
        secrets.store(account, "api_key", "a very secret key")
        if usd is not None:
            ledger.sync(ledger.account_pool(account, "usd"), balance=to_micros(usd), key="first")
        return account

    def capability(self, model: str = "paint", operation: str = "text_to_image", slug: str = "scripted") -> Capability:
        return Capability.objects.select_related("provider").get(provider__slug=slug, model=model, operation=operation)

    def respec(self, *, model: str = "paint", slug: str = "scripted", **changes: Any) -> None:
        """Traits, polling … of one capability as this test wants them; a mapping is laid over what is there."""
        row = self.capability(model, slug=slug)
        for name, value in changes.items():
            row.spec[name] = {**row.spec[name], **value} if isinstance(value, dict) else value
        row.spec_hash = uuid.uuid4().hex
        row.save()

    # -- a person -----------------------------------------------------------------------------------------------------
    def order(self, **more: Any) -> orders.Order:
        body = {"model": "scripted/paint", "operation": "text_to_image", "params": {"prompt": "a lighthouse"}, **more}
        return orders.read(body)

    def make(self, *, key: str | None = None, **more: Any) -> Generation:
        return lifecycle.create(
            order=self.order(**more), workspace=self.workspace, user=self.user, idempotency_key=key
        )[0]

    # -- a worker -----------------------------------------------------------------------------------------------------
    def claim(self, cluster: str, *, died: bool = False) -> list[Step]:
        """Everything of this cluster, due or not; `died`: also what a dead worker had claimed."""
        rows = Step.objects.filter(cluster=cluster, due_at__lt=FAR)
        (rows if died else rows.filter(claimed=False)).update(due_at=0)
        return claims.take(cluster, limit=500)

    def threads(self, cluster: str, *, safely: bool = False, **how: Any) -> int:
        """`safely`: a step that breaks comes back later, as a slice treats it; otherwise the test hears of it."""
        steps = self.claim(cluster, **how)
        for step in steps:
            try:
                tasks.VERBS[step.verb](step)
            except Exception:
                if not safely:
                    raise
                tasks._later(step)
        return len(steps)

    def breaking(self, cluster: str) -> Exception:
        """As a slice treats a step that breaks: it comes back sooner than its lease."""
        (step,) = self.claim(cluster)
        try:
            tasks.VERBS[step.verb](step)
        except Exception as error:
            tasks._later(step)
            return error
        raise AssertionError("it did not break")

    def submit(self, **how: Any) -> int:
        return self.threads("default", **how)

    def fetch(self, **how: Any) -> int:
        return self.threads("io", **how)

    def looks(self, *, died: bool = False) -> list[looking.Look]:
        rows = Step.objects.filter(cluster="poll", due_at__lt=FAR)
        (rows if died else rows.filter(claimed=False)).update(due_at=0)
        return poller.claim()

    def seen(self, look: looking.Look) -> poller.Seen:
        """Drive the coroutine by hand: the plain driver never waits."""
        asking = poller.ask(PlainAsync(), look)  # type: ignore[arg-type]
        try:
            asking.send(None)
        except StopIteration as done:
            return look, done.value
        raise AssertionError("the plain driver does not wait")

    def look(self, **how: Any) -> int:
        looks = self.looks(**how)
        poller.apply([self.seen(look) for look in looks])
        return len(looks)

    def run(self, *generations: Generation, rounds: int = 30) -> None:
        """All three clusters in turn until these have ended."""
        for _ in range(rounds):
            self.submit()
            self.look()
            self.fetch()
            if all(fresh(generation).is_terminal for generation in generations):
                return
        raise AssertionError(f"not ended: {[(one.status, one.note) for one in map(fresh, generations)]}")

    def accepted(self, **more: Any) -> Generation:
        generation = self.make(**more)
        self.submit()
        assert fresh(generation).status == "running"
        return generation

    def lost(self, **more: Any) -> Generation:
        """A generation whose submit went unanswered."""
        generation = self.make(**more)
        self.adapter.script["submit"].insert(0, oops("unknown_outcome"))
        self.submit()
        assert fresh(generation).unknown
        return generation

    def _download(self, made: Any, into: Path, **given: Any) -> Reply:
        name = made.path.rpartition("/")[2]
        found = self.files[name]
        found = found.pop(0) if isinstance(found, list) else found
        if isinstance(found, BaseException):
            raise found
        into.write_bytes(found)
        return Reply(200)

    # -- what is left of it -------------------------------------------------------------------------------------------
    @property
    def wallet(self) -> tuple[int, int]:
        pool = ledger.wallet(self.workspace)
        return pool.balance or 0, pool.held

    def pool(self, account: ProviderAccount | None = None) -> tuple[int | None, int]:
        pool = ledger.account_pool(account or self.account, "usd")
        return pool.balance, pool.held

    def audit(self) -> list[str]:
        return [str(offence) for offence in auditing.check()]


def fresh(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def last(generation: Generation) -> Attempt:
    found = generation.attempts.select_related("account__provider", "capability__provider").last()
    assert found is not None
    return found


def kinds(generation: Generation) -> list[str]:
    return list(generation.events.values_list("kind", flat=True))


def overdue(generation: Generation, *, seen: bool = True) -> None:
    """Its attempt's deadline lies behind us; `seen`: and a look since has found it still under way."""
    past = timezone.now() - timedelta(seconds=1)
    generation.attempts.filter(state="accepted").update(deadline_at=past, late_look_at=past if seen else None)


def later(seconds: float) -> Any:
    """A context in which that much time has passed."""
    return time_machine.travel(time.time() + seconds, tick=True)


def new_house(patch: Any) -> House:
    user = get_user_model().objects.create(username="hanna")
    workspace = people.make_workspace("House", user)
    ledger.grant(ledger.wallet(workspace), amount=1000 * CREDIT, key="grant")
    return House(workspace, user, patch)


@contextmanager
def open_house(patch: Any) -> Iterator[House]:
    """Audited at the end."""
    house = new_house(patch)
    yield house
    assert house.audit() == []
