"""`generate MODEL PROMPT`: submits through the same door as everyone, follows the job and says where the file lies."""

from __future__ import annotations

import json
import time
from typing import Any

from django.contrib.auth import get_user_model
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import people
from accounts.errors import Refused
from accounts.models import Workspace
from accounts.money import short
from generations import lifecycle, orders, routing
from generations.models import Generation
from generations.models.generations import Status

LOOK_EVERY = 0.5
WAIT = 600.0  # seconds it is followed when nothing else is said


class Command(BaseCommand):
    help = "Make something from the command line. The workers must be running (python3 run.py)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", help="A model id like mock/image, or auto:cheapest with --operation.")
        parser.add_argument("prompt", help="What to make.")
        parser.add_argument("--operation", help="Like text_to_image; may be left out when the model has one that fits.")
        parser.add_argument(
            "--param", action="append", default=[], metavar="k=v", help="A parameter; read as JSON where it is JSON."
        )
        parser.add_argument("--user", default=people.ADMIN, help="Whose generation it is (default: admin).")
        parser.add_argument("--workspace", help="Slug of the workspace; the person's own when left out.")
        parser.add_argument(
            "--mock",
            default="",
            metavar="op,op",
            help="Run as a mock when the operation is one of these; `all` for any.",
        )
        parser.add_argument(
            "--wait",
            nargs="?",
            type=float,
            const=WAIT,
            default=WAIT,
            metavar="SECONDS",
            help="How long to follow it; 0: only submit.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            generation = self._submit(**options)
        except Refused as refusal:
            more = [f"{name}: {' '.join(words)}" for name, words in refusal.fields.items()]
            raise CommandError("\n".join(more or [str(refusal)])) from None
        self.stdout.write(
            f"{generation.pk}  {generation.capability.model_id}  quoted {short(generation.quoted_micros)} credits, {generation.mode}"
        )
        if options["wait"] > 0:
            self._follow(generation, time.monotonic() + options["wait"])

    def _submit(
        self,
        *,
        model: str,
        prompt: str,
        user: str,
        workspace: str | None,
        operation: str | None,
        param: list[str],
        mock: str,
        **rest: Any,
    ) -> Generation:
        owner = get_user_model().objects.filter(username=user).first()
        if owner is None:
            raise CommandError(f"--user: there is no user {user!r}.")
        body: dict[str, Any] = {"model": model, "params": {**_prompt(model, operation, prompt), **_params(param)}}
        body |= {"operation": operation} if operation else {}
        body |= {"mode": "mock"} if _mocked(model, operation, mock) else {}
        return lifecycle.create(order=orders.read(body), workspace=_workspace(owner, workspace), user=owner)[0]

    def _follow(self, generation: Generation, until: float) -> None:
        told = ""
        while True:
            generation = Generation.objects.select_related("step").get(pk=generation.pk)
            if (line := _line(generation)) != told:
                told = line
                self.stdout.write(line)
            if generation.is_terminal:
                break
            if time.monotonic() > until:
                raise CommandError("Not finished yet. It goes on without us; the studio shows it.")
            time.sleep(LOOK_EVERY)
        self._end(generation)

    def _end(self, generation: Generation) -> None:
        if generation.status != Status.SUCCEEDED:
            raise CommandError(
                f"{generation.get_status_display()}: {generation.error_message or generation.error_code}"
            )
        for asset in generation.assets.select_related("blob").order_by("position"):
            self.stdout.write(f"{_where(asset.blob.key)}  ({asset.name or asset.kind}, {asset.mime})")
        self.stdout.write(f"Charged {short(generation.charged_micros)} credits.")


def _workspace(owner: Any, slug: str | None) -> Workspace:
    if not slug:
        return people.personal_workspace(owner)
    found = Workspace.objects.of(owner).filter(slug=slug).first()
    if found is None:
        raise CommandError(f"--workspace: {owner} belongs to no workspace {slug!r}.")
    return found


def _prompt(model: str, operation: str | None, prompt: str) -> dict[str, str]:
    """Speech has a text, not a prompt: take the name the model knows."""
    if model.startswith(routing.AUTO):
        return {"prompt": prompt}
    known = routing.find(model, operation).spec.get("schema", {}).get("properties", {})
    return {"text" if "prompt" not in known and "text" in known else "prompt": prompt}


def _params(pairs: list[str]) -> dict[str, Any]:
    params = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CommandError(f"--param: {pair!r} is not name=value.")
        try:
            params[name] = json.loads(value)
        except ValueError:
            params[name] = value
    return params


def _mocked(model: str, operation: str | None, mock: str) -> bool:
    """The operation as asked for, else the one the model would do."""
    wanted = {name.strip() for name in mock.split(",") if name.strip()}
    if not wanted or "all" in wanted:
        return bool(wanted)
    return (operation or routing.find(model, None).operation) in wanted


def _line(generation: Generation) -> str:
    step = getattr(generation, "step", None)
    parts = [generation.get_status_display()]
    if step and step.progress is not None:
        parts.append(f"{step.progress:.0%}")
    parts += [text for text in (step.note if step else "", generation.note) if text][:1]
    return " · ".join(parts)


def _where(key: str) -> str:
    """A path on this machine; a bucket has none, so its key."""
    try:
        return default_storage.path(key)
    except NotImplementedError:
        return f"{key} in the store of STORAGE_URL"
