"""From "the provider is done" to kept files: fetch, check, keep, then settle the wallet. Every step is safe to run twice.

Runs in threads of the io cluster: one claimed step per call. Output addresses were saved before; this is what comes second.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from generations.lifecycle.moves import Stale, fence
from generations.models import Attempt, Generation, Step
from generations.models.generations import State, Status
from providers.errors import ProviderError
from providers.http.requests_driver import download
from providers.types import Done, Output
from providers.types import Status as Seen

from . import assets, bells, calling, faults, files, inbox, lifecycle, quoting, timing
from .sniffing import BadFile

logger = logging.getLogger("mediagen.finish")
GONE = ("result_gone", "remote_not_found")
HEALS = ("unavailable", "rate_limited", "busy", "unknown_outcome")
TRIES = 5
GONE_TRIES = 2  # an address the provider no longer keeps is asked for again this often


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
    outputs = list(attempt.outputs)
    problems: list[str] = []
    kept = 0
    for place, output in enumerate(outputs):
        try:
            _keep(generation, attempt, output, place)
            kept += 1
        except (BadFile, ProviderError) as error:
            if step.errors < _tries(error, output):
                _again(step, attempt, error)
                return
            problems.append(str(error))
    _settle(
        step,
        generation,
        attempt,
        kept,
        problems or ([] if outputs else ["The provider reported success without a result."]),
    )


def _tries(error: Exception, output: Mapping[str, Any]) -> int:
    """How often to try again: a broken line heals, an address may be renewed or bring the file at last."""
    code = getattr(error, "code", "")
    renewable = code in GONE or (isinstance(error, BadFile) and output.get("url"))
    return GONE_TRIES if renewable else TRIES if code in HEALS else 0


def _again(step: Step, attempt: Attempt, error: Exception) -> None:
    """An address that has gone is asked for again; the account has been charged, so the job is not given up lightly."""
    if getattr(error, "code", "") not in HEALS and attempt.remote_id:
        _ask_again(step, attempt)
    lifecycle.postpone(step, seconds=timing.after_error(step.errors + 1, None) / 2, errors=step.errors + 1)


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
        return simulated_file(output, into)
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


def simulated_file(output: Mapping[str, Any], into: Path) -> Path:
    """No network in simulated mode: a small true file of the same kind stands in for the recorded address."""
    from providers.loaded import MOCK, registry
    from providers.types import Job

    job = Job(
        reference="simulated",
        operation="",
        model="simulated",
        params={"prompt": "simulated result"},
        outputs=(output["kind"],),
        scratch=into.parent,
        mode="mock",
    )
    done = registry.get(MOCK).adapter.submit(job)  # type: ignore[union-attr]
    found: Output = done.outputs[0]  # type: ignore[union-attr]
    if found.file is None:
        into.write_text(found.text or "", encoding="utf-8")
        return into
    return found.file.rename(into)


def _settle(step: Step, generation: Generation, attempt: Attempt, kept: int, problems: list[str]) -> None:
    """At least one file kept is a success, the missing named and not charged; none is a failure, and the wallet whole."""
    with transaction.atomic():
        fence(step)
        if not kept:
            code = "result_gone" if attempt.outputs else "bad_reply"
            lifecycle.fail(generation, code=code, message=problems[0], retryable=True, data=attempt.facts)
        else:
            note = (
                f"{len(problems)} of {kept + len(problems)} results could not be kept: {problems[0]}"
                if problems
                else ""
            )
            lifecycle.succeed(
                generation,
                receipt=quoting.receipt(generation, attempt, kept=kept, missing=len(problems)),
                note=note[:400],
            )
    inbox.clear(attempt.pk)
    bells.ring("io")
