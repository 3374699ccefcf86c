"""The whole contract between the core and a provider.

A provider is one folder: `catalogue.yaml` says everything that is data, `adapter.py` holds `class Adapter(BaseAdapter)`
for what data cannot say, `fixtures/*.json` prove both. An adapter describes HTTP, it does not do it: a verb is a plain
method, or a generator that yields `Request`s and is handed `Reply`s:

    def submit(self, job):
        reply = yield post("/v1/videos", json=job.mapped)       # path on the account's base address; auth is added
        return Accepted(remote_id=reply.need("id", str), state=self.status(reply.need("status", str)))

Rules for authors
 1. `def` + `yield`, never `async`; helpers that talk are called with `yield from`.
 2. No I/O, clock, sleep, random, environment or logging: `job.now`, `job.reference` are given.
 3. `self` holds configuration only; what a job must remember goes into `Accepted.memo` (small JSON).
 4. `reply.need(path, kind)` for what you cannot do without, `reply.get` for the rest.
 5. Ids enter paths through `at("/jobs/{}", id)`.
 6. No credentials, base addresses or retry loops: the catalogue's auth rule and the engine do those.
 7. `safe=True` only when a repeat costs nothing (cancel, upload, an idempotency key is sent).
 8. Files are paths; large replies use `into` or `spill`; return `Output(b64=…)` undecoded.
 9. Raise only ProviderError; an error hidden in an HTTP 200 is raised through the catalogue's table.
10. Catch only ProviderError, by code; never `yield` inside `finally`.
11. A look returns verdicts and raises troubles: a raise from `poll` never ends an attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import ProviderError
from .types import (
    Accepted,
    AccountDraft,
    AccountFacts,
    Callback,
    Done,
    Handle,
    InputFile,
    Job,
    Output,
    Problem,
    Quote,
    Renewed,
    Request,
    Snapshot,
    SourceRef,
    Staged,
    Status,
    Usage,
    Verb,
)


class BaseAdapter:
    """Every verb with its default. `catalogue` is the folder's parsed catalogue (see providers/catalogue.py)."""

    def __init__(self, catalogue: Any) -> None:
        self.catalogue = catalogue

    # -- the required verb ------------------------------------------------------------------------------------------
    def submit(self, job: Job) -> Verb[Accepted | Done]:
        raise ProviderError(
            "unsupported", f"{self.catalogue.name} cannot take jobs: it has neither endpoints nor code."
        )

    # -- following a job --------------------------------------------------------------------------------------------
    def poll(self, handle: Handle) -> Verb[Status]:
        raise ProviderError("unsupported", f"{self.catalogue.name} answers at once; there is nothing to look at.")

    def poll_many(self, handles: Iterable[Handle]) -> Verb[Mapping[str, Status | ProviderError]]:
        """By remote id; only called when the `poll_many` trait is set, all handles of one account."""
        raise ProviderError("unsupported", f"{self.catalogue.name} looks at one job at a time.")

    def fetch(self, handle: Handle, output: Output) -> Request | Path | bytes:
        """The request whose body is streamed to a file; a built-in kind may return the finished file itself."""
        return Request(method="GET", path=output.url or "")

    def cancel(self, handle: Handle) -> Verb[str]:
        """confirmed · requested · too_late · unsupported"""
        return "unsupported"

    def receive(self, callback: Callback) -> tuple[str, Status]:
        """(remote id, status) of a callback whose signature was checked here."""
        raise ProviderError("unsupported", f"{self.catalogue.name} sends no callbacks.")

    def find(self, job: Job) -> Verb[Accepted | Done | None]:
        """Settle a submit whose answer was lost: the job as the provider knows it, or None when it never arrived."""
        raise ProviderError("unsupported", f"{self.catalogue.name} cannot look for lost jobs.")

    # -- before a job -----------------------------------------------------------------------------------------------
    def quote(self, job: Job, usage: Usage | None = None) -> Quote | None:
        """None: the catalogue's price rule decides. With usage: the actual price."""
        return None

    def check(self, job: Job) -> Iterable[Problem]:
        return ()

    def stage(self, job: Job, file: InputFile) -> Verb[Staged | None]:
        """Upload an input ahead of the submit; None: a signed address or inline bytes will do."""
        return None

    # -- accounts ---------------------------------------------------------------------------------------------------
    def inspect(self, account: AccountFacts, secrets: Mapping[str, str], now: float) -> Verb[Snapshot]:
        needed = [field.name for field in self.catalogue.credentials if field.required]
        missing = [name for name in needed if not secrets.get(name)]
        note = (
            f"Missing: {', '.join(missing)}." if missing else "Credentials are present; this provider offers no check."
        )
        return Snapshot(ok=not missing, note=note)

    def connect(self, raw: Mapping[str, Any], hints: Mapping[str, Any]) -> AccountDraft:
        raise ProviderError("unsupported", f"{self.catalogue.name} takes no captured sessions.")

    def renew(self, account: AccountFacts, secrets: Mapping[str, str], now: float) -> Verb[Renewed]:
        return Renewed(needs_person=f"Connect the {self.catalogue.name} account again.")

    def discover(self, account: AccountFacts, secrets: Mapping[str, str], now: float) -> Verb[list[dict[str, Any]]]:
        """Capabilities found at run time, as catalogue rows; [] by default."""
        return []

    # -- libraries --------------------------------------------------------------------------------------------------
    def trace(self, remote: Mapping[str, Any]) -> Iterable[SourceRef]:
        return ()

    def listing(
        self, account: AccountFacts, secrets: Mapping[str, str], cursor: str
    ) -> Verb[tuple[list[SourceRef], str]]:
        raise ProviderError("unsupported", f"{self.catalogue.name} offers no library to import.")

    # -- for authors ------------------------------------------------------------------------------------------------
    def status(self, word: str | int) -> str:
        """Their word for a state in ours; an unlisted word is an error that names it, never silently pending."""
        found: str | None = self.catalogue.statuses.get(str(word))
        if found is None:
            raise ProviderError("bad_reply", f"{self.catalogue.name} answered with an unknown status {word!r}.")
        return found

    def implements(self, verb: str) -> bool:
        return getattr(type(self), verb) is not getattr(BaseAdapter, verb)
