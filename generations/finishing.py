"""From "the provider is done" to kept files: fetch, check, keep, then settle the wallet. Every step is safe to run twice.

Runs in threads of the io cluster: one claimed step per call. Output addresses were saved before; this is what comes second.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from generations.lifecycle.moves import Stale, fence
from generations.models import Attempt, Generation, Step
from generations.models.generations import State, Status
from providers.errors import ProviderError
from providers.http.requests_driver import download
from providers.types import Done
from providers.types import Status as Seen

from . import assets, bells, calling, faults, files, inbox, lifecycle, quoting, simulating, timing
from .sniffing import BadFile

logger = logging.getLogger("mediagen.finish")
GONE = ("result_gone", "remote_not_found")
HEALS = ("unavailable", "rate_limited", "busy", "unknown_outcome", "auth_failed", "session_expired")
GONE_TRIES = 2  # an address the provider no longer keeps is asked for again this often
HEAL_HOURS = 24  # how long a finished, paid result is fetched for while the line or the login is broken


def work(step: Step) -> None:
    generation = Generation.objects.select_related("capability__provider", "workspace", "user").get(pk=step.pk)
    attempt = (
        generation.attempts.filter(state=State.SUCCEEDED)
        .select_related("account__provider", "capability__provider")
        .last()
    )
    if generation.status != Status.FINALIZING or attempt is None:
        logger.warning("nothing to fetch for %s (%s)", generation.pk, generation.status)
        return
    try:
        _finish(step, generation, attempt)
    except Stale as news:
        logger.info("left alone: %s", news)


def _finish(step: Step, generation: Generation, attempt: Attempt) -> None:
    """Keep what can be kept. What fails for good is told; what may come later is tried again."""
    problems: list[Exception] = []
    for place, output in enumerate(attempt.outputs):
        try:
            _keep(generation, attempt, output, place)
        except (BadFile, ProviderError) as error:
            if _may_come(attempt, output, error):
                _again(step, attempt, error)
                return
            problems.append(error)
    if not attempt.outputs:
        problems = [ProviderError("bad_reply", "The provider reported success without a result.")]
    _settle(step, generation, attempt, len(attempt.outputs) - len(problems), problems)


def _may_come(attempt: Attempt, output: Mapping[str, Any], error: Exception) -> bool:
    """It has been paid for, so a broken line or a lapsed login is waited out; an address may be renewed a few times."""
    code = getattr(error, "code", "")
    if code in HEALS:
        return timezone.now() < (attempt.finished_at or timezone.now()) + timedelta(hours=HEAL_HOURS)
    renewable = code in GONE or (isinstance(error, BadFile) and bool(output.get("url")))
    return renewable and attempt.strikes < GONE_TRIES


def _again(step: Step, attempt: Attempt, error: Exception) -> None:
    """An address that has gone is asked for again before the next try."""
    heals = getattr(error, "code", "") in HEALS
    if not heals:
        with transaction.atomic():
            fence(step)
            Attempt.objects.filter(pk=attempt.pk).update(strikes=attempt.strikes + 1)
        if attempt.remote_id:
            _ask_again(step, attempt)
    seconds = timing.after_error(step.errors + 1, getattr(error, "retry_after", None), ceiling=600 if heals else 4)
    lifecycle.postpone(step, seconds=seconds / 2, errors=step.errors + 1, note=str(error)[:400] if heals else "")


def _ask_again(step: Step, attempt: Attempt) -> None:
    try:
        line = calling.open_line(attempt)
        seen = calling.call(line, "poll", lambda: line.adapter.poll(calling.handle(line)))
    except ProviderError as error:
        logger.info("asking again about %s: %s", attempt.pk, error)
        return
    if isinstance(seen, Seen) and seen.state == "succeeded" and seen.outputs:
        again = inbox.kept(attempt.pk, Done(outputs=seen.outputs))
        with transaction.atomic():
            fence(step)
            Attempt.objects.filter(pk=attempt.pk).update(outputs=inbox.written(again.outputs))


def _keep(generation: Generation, attempt: Attempt, output: Mapping[str, Any], place: int) -> None:
    if generation.assets.filter(role=output.get("role", "output"), position=place).exists():
        return
    with files.scratch() as folder:
        path = _bring(attempt, output, folder / "result")
        assets.keep(
            path, workspace=generation.workspace, user=generation.user, kind=output["kind"], origin="generated", generation=generation,
            position=place, role=output.get("role", "output"), name=output.get("name", ""), facts=_facts(generation, output),
        )  # fmt: skip


def _facts(generation: Generation, output: Mapping[str, Any]) -> dict[str, Any]:
    marks = {} if generation.mode == "live" else {"mocked": True} if generation.mode == "mock" else {"simulated": True}
    return {**output.get("facts", {}), **marks}


def _bring(attempt: Attempt, output: Mapping[str, Any], into: Path) -> Path:
    """The bytes of one result as a local file: from the inbox, from its text, from the adapter, or over the guarded door."""
    if output.get("key"):
        try:
            with inbox.path(output["key"]) as kept:
                shutil.copyfile(kept, into)
        except FileNotFoundError:
            raise ProviderError("result_gone", "The bytes of this result are no longer in storage.") from None
        return into
    if output.get("text") is not None:
        into.write_text(output["text"], encoding="utf-8")
        return into
    line = calling.open_line(attempt)
    if line.mode == "simulated":
        return simulating.stand_in(output["kind"], into)
    with calling.handle_with_files(line) as handle:
        made = line.adapter.fetch(handle, inbox.read([output])[0])
        if isinstance(made, bytes):
            into.write_bytes(made)
            return into
        if isinstance(made, Path):
            return made.rename(into)
        faults.soon("while_fetching", 0.3)
        download(
            made, into, site=line.site, private_hosts=settings.MEDIAGEN_PRIVATE_HOSTS, max_bytes=settings.MEDIAGEN_MAX_RESULT,
            timeout=60, total_timeout=settings.MEDIAGEN_FETCH_SECONDS,
        )  # fmt: skip
        return into


def _settle(step: Step, generation: Generation, attempt: Attempt, kept: int, problems: list[Exception]) -> None:
    """At least one file kept is a success, the missing named and not charged; none is a failure, and the wallet whole."""
    with transaction.atomic():
        fence(step)
        if kept <= 0:
            code = getattr(problems[0], "code", "bad_reply")
            lifecycle.fail(generation, code=code, message=str(problems[0]), retryable=True, data=attempt.facts)
        else:
            receipt = quoting.receipt(generation, attempt, kept=kept, missing=len(problems))
            lifecycle.succeed(generation, receipt=receipt, note=_note(generation, kept, problems))
    inbox.clear(attempt.pk)
    bells.ring("io")


def _note(generation: Generation, kept: int, problems: list[Exception]) -> str:
    if problems:
        return f"{len(problems)} of {kept + len(problems)} results could not be kept: {problems[0]}"[:400]
    wanted = quoting.asked(generation)
    return f"The provider made {kept} of the {wanted} results asked for." if kept < wanted else ""
