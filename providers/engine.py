"""The policy every provider call obeys: a pure generator between an adapter's verb and the driver that sends.

Out of it come Wires (send this once) and Sleeps; Replies and TransportErrors go in. Credentials, redirects, retries,
error codes and the question "may the provider have begun paid work?" are answered here and nowhere else.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import GeneratorType
from typing import Any, TypeGuard, TypeVar, cast

from .errors import AuthorError, ProviderError, TransportError
from .http.auth import Draft, authorise
from .http.outcome import files, said, unspilled, where
from .http.prepare import at_base, check_headers, draft, redirected, trusted
from .http.redaction import Redactor
from .http.troubles import LOST, default_code, from_transport, gone_statuses, in_band, lost, retry_after, trouble
from .http.upload import Upload
from .http.wire import Site, Sleep, Wire
from .types import Reply, Request, Verb

__all__ = ["Driving", "ReplayMismatch", "Site", "Sleep", "Wire", "advance", "drive", "run_verb"]

T = TypeVar("T")
Driving = Generator[Wire | Sleep, Reply | None, T]

REDIRECTS = 3
REDIRECTING = (301, 302, 303, 307, 308)
RETRIED = (429, 502, 503, 504)
RETRIED_KINDS = ("connection", "cut")
NEVER_NONE = {"submit", "poll", "poll_many", "cancel", "inspect", "renew", "discover", "listing"}


class ReplayMismatch(AssertionError):
    """A replayed verb asked for something that was not recorded: a test's failure, never a provider's."""


def run_verb(
    label: str,
    verb: Callable[[], Verb[T]],
    site: Site,
    *,
    now: Callable[[], float],
    nonce: Callable[[], str],
    pays_default: bool = False,
    max_requests: int = 50,
) -> Driving[T]:
    """Run one verb (a generator, or a plain value). Raises ProviderError, AuthorError or ReplayMismatch only.

    `pays_default`: unsafe requests that say neither `pays` nor `safe` may cost money (so in submit).
    """
    run = _Run(label, site, now, nonce, pays_default, max_requests, Redactor(site.secrets.values()))
    try:
        return cast(T, (yield from run.steps(verb)))
    except ReplayMismatch:
        raise
    except Exception as error:
        run.keep_only(())
        verdict = run.verdict(error)
        if verdict is not error:
            verdict.__cause__ = error
        run.redact.scrub(verdict)
        raise verdict  # noqa: B904 - the cause is set above, and cleaned


@dataclass(slots=True)
class _Run:
    """One verb's course. `owing`: a paying request was answered, or may have arrived, and no result came of it yet."""

    label: str
    site: Site
    now: Callable[[], float]
    nonce: Callable[[], str]
    pays_default: bool
    max_requests: int
    redact: Redactor
    requests: int = 0
    answered: bool = False
    owing: bool = False
    certain: bool = False  # the adapter said `pays=True`: no later request takes its place
    thrown: ProviderError | None = None
    spilled: dict[str, Path] = field(default_factory=dict)

    def steps(self, verb: Callable[[], Any]) -> Driving[Any]:
        made = verb()
        if not isinstance(made, GeneratorType):
            return self.result(made)
        answer: Reply | ProviderError | None = None
        try:
            while True:
                try:
                    request = made.throw(answer) if isinstance(answer, ProviderError) else made.send(answer)
                except StopIteration as stop:
                    return self.result(stop.value)
                try:
                    answer = yield from self.exchange(self.request(request))
                except AuthorError as error:
                    raise AuthorError(f"{error} ({where(made)})") from None
        finally:
            with contextlib.suppress(RuntimeError):  # a `yield` in an adapter's finally must not hide a cancellation
                made.close()

    def request(self, given: Any) -> Request:
        self.requests += 1
        if self.requests > self.max_requests:
            raise AuthorError(f"{self.label} made more than {self.max_requests} requests; does it ever end?")
        if isinstance(given, Request):
            return given
        hint = "write `yield from` before a helper that talks" if inspect.isgenerator(given) else "yield a Request"
        raise AuthorError(f"{self.label} yielded {type(given).__name__}: {hint}.")

    def exchange(self, request: Request) -> Driving[Reply | ProviderError]:
        """One request with its pauses, hops and repeats. The error to raise at the adapter's yield is returned."""
        unsafe = request.method.upper() not in ("GET", "HEAD")
        repeatable = not unsafe if request.safe is None else request.safe
        pays = (self.pays_default and unsafe and not repeatable) if request.pays is None else request.pays
        try:
            made = draft(request, self.site, self.nonce)
            if request.delay:
                yield Sleep(request.delay)
            reply = yield from self.deliver(request, made, pays, repeatable)
        except ProviderError as error:
            self.settle(request, pays, begun=error.code == LOST)
            self.thrown = error
            error.add_note(f"in {self.label} after {request.method} {request.path}")
            self.redact.scrub(error)
            return error
        self.answered = True
        self.spilled.update(reply.spilled)
        self.settle(request, pays, begun=reply.status < 400 or default_code(reply.status, pays=True) == LOST)
        return reply

    def settle(self, request: Request, pays: bool, *, begun: bool) -> None:
        """The last paying request counts, unless the adapter named the one that does."""
        if pays:
            self.owing = begun or (self.owing and self.certain)
            self.certain = self.certain or (begun and bool(request.pays))

    def deliver(self, request: Request, made: Draft, pays: bool, repeatable: bool) -> Driving[Reply]:
        doubtful, tries, hops, trusting = False, 0, 0, True
        while True:
            trusting = trusting and trusted(made.url, self.site)
            got = yield from self.attempt(self.wire(request, made, pays, repeatable, trusting))
            if self.leads_on(got, request):
                made, hops = self.next_hop(made, got, hops), hops + 1
                continue
            error = self.judged(got, request, pays, repeatable, trusting)
            if error is None:
                assert isinstance(got, Reply)  # a TransportError is always judged an error
                return got
            wait = self.pause(got, tries) if repeatable and not request.on_event else None
            doubtful = doubtful or error.code == LOST
            if wait is None:
                raise lost(self.site, error.message) if doubtful and error.code != LOST else error
            tries += 1
            yield Sleep(wait)

    def attempt(self, wire: Wire) -> Driving[Reply | TransportError]:
        """Send once. What breaks while a paid answer is being read leaves the outcome unknown."""
        try:
            reply = yield wire
        except TransportError as error:
            return error
        except ReplayMismatch:
            raise
        except Exception as error:
            known = error if isinstance(error, ProviderError) else None
            if known and not (wire.pays and known.code == "bad_reply"):
                raise
            why = known.message if known else f"its answer could not be handled ({said(error)})"
            raise (
                lost(self.site, why) if wire.pays else ProviderError("bad_reply", f"{self.site.name}: {why}.")
            ) from error
        assert reply is not None  # only a Sleep is answered with nothing
        return reply

    def wire(self, request: Request, made: Draft, pays: bool, repeatable: bool, trusting: bool) -> Wire:
        """Signed anew for every attempt."""
        signed = replace(made, headers=dict(made.headers), shown=[])
        if trusting:
            authorise(signed, self.site.auth, self.site.secrets, self.now(), self.nonce)
            self.redact.add(signed.shown)
        check_headers(signed)
        timeout = request.timeout or self.site.timeout
        streams = request.into or request.on_event or request.spill or isinstance(made.body, Upload)
        return Wire(
            method=signed.method,
            url=signed.url,
            path=signed.path,
            headers=signed.headers,
            body=signed.body,
            json=signed.json,
            timeout=timeout,
            total=max(timeout, self.site.total) if streams else timeout,
            pays=pays,
            fresh=pays or not repeatable,
            guarded=self.site.guarded or not at_base(made.url, self.site),
            into=request.into,
            max_bytes=request.max_bytes,
            spill=request.spill,
            scratch=self.site.scratch,
            on_event=request.on_event,
        )

    def leads_on(self, got: Reply | TransportError, request: Request) -> TypeGuard[Reply]:
        leads = isinstance(got, Reply) and got.status in REDIRECTING and got.status not in request.accept
        return leads and request.method.upper() in ("GET", "HEAD")

    def next_hop(self, made: Draft, reply: Reply, hops: int) -> Draft:
        if hops >= REDIRECTS or not reply.header("location"):
            why = "redirects without end" if hops >= REDIRECTS else "redirects to nowhere"
            raise ProviderError("bad_reply", f"{self.site.name} {why}.", http_status=reply.status)
        return redirected(made, reply.header("location"), self.site)

    def judged(
        self, got: Reply | TransportError, request: Request, pays: bool, repeatable: bool, trusting: bool
    ) -> ProviderError | None:
        if isinstance(got, TransportError):
            return from_transport(got, self.site, pays=pays)
        if 200 <= got.status < 300:
            return in_band(got, self.site)
        if got.status in request.accept:
            return None
        gone = gone_statuses(fetches=request.into is not None, own=trusting)
        return trouble(got, self.site, pays=pays, keyed=repeatable, gone=gone, now=self.now())

    def pause(self, got: Reply | TransportError, tries: int) -> float | None:
        """How long to wait before a repeat; None: do not repeat."""
        if tries >= self.site.retries:
            return None
        wait = self.site.backoff * 2**tries
        if isinstance(got, TransportError):
            return wait if got.kind in RETRIED_KINDS else None
        asked = retry_after(got, self.now())
        wait = wait if asked is None else asked
        return wait if got.status in RETRIED and wait <= self.site.longest_wait else None

    def result(self, value: Any) -> Any:
        """What the verb returned, with spilled strings turned into files; the other spilled files go."""
        name = self.label.rpartition(".")[2]
        if inspect.iscoroutine(value) or inspect.isasyncgen(value):
            if inspect.iscoroutine(value):
                value.close()
            raise AuthorError(f"{self.label} is `async`; write it as `def` with `yield`.")
        if isinstance(value, Request) or inspect.isgenerator(value) or (value is None and name in NEVER_NONE):
            shown = "nothing" if value is None else "an unsent Request" if isinstance(value, Request) else "a generator"
            raise AuthorError(f"{self.label} returned {shown}; is a `yield`, `yield from` or `return` missing?")
        if self.spilled:
            value = unspilled(value, self.spilled)
            self.keep_only(files(value))
        return value

    def keep_only(self, wanted: Any) -> None:
        for path in set(self.spilled.values()) - set(wanted):
            path.unlink(missing_ok=True)

    def verdict(self, error: Exception) -> Exception:
        """What leaves the verb. An adapter's own refusal stands; any other end after a paid answer loses it."""
        known = error if isinstance(error, ProviderError) else None
        refusal = known and known is not self.thrown and known.code != "bad_reply"
        if self.owing and not refusal and not (known and known.code == LOST):
            return lost(self.site, known.message if known else said(error))
        if isinstance(error, (ProviderError, AuthorError)):
            return error
        if self.answered:
            return ProviderError("bad_reply", f"{self.site.name}'s answer could not be read ({said(error)}).")
        return AuthorError(f"{self.label} raised {said(error)}")


def advance(steps: Driving[T], answer: Any) -> tuple[bool, Any]:
    """(ended?, value or what to do next): StopIteration never crosses a thread or a future."""
    try:
        return False, steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
    except StopIteration as stop:
        return True, stop.value


def drive(steps: Driving[T], send: Callable[[Wire], Reply], sleep: Callable[[float], None]) -> T:
    """The loop of every synchronous driver."""
    answer: Any = None
    with contextlib.closing(steps):
        while True:
            ended, value = advance(steps, answer)
            if ended:
                return cast(T, value)
            answer = None
            if isinstance(value, Sleep):
                sleep(value.seconds)
                continue
            try:
                answer = send(value)
            except Exception as error:
                answer = error
