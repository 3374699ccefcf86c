"""`checkadapter NAME|FOLDER`: proves that an adapter does what its catalogue says; exits 1 when it does not."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from providers import conformance
from providers import live as looking
from providers.loaded import registry
from providers.registry import Entry, Registry


class Command(BaseCommand):
    help = "Play an adapter's recorded answers and go through the checklist."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="The slug of a provider, or the folder of one.")

        parser.add_argument(
            "--live",
            action="store_true",
            help="Ask the real provider, with the key of the environment; nothing is paid.",
        )

    def handle(self, *args: Any, name: str, live: bool = False, **options: Any) -> None:
        entry = _entry(name)
        if entry.error:
            raise CommandError(f"{entry.slug} could not be loaded:\n{_short(entry.error)}")
        if live:
            self._live(entry)
            return
        lines = [
            (case.name, why)
            for case, why in ((case, conformance.trial(entry, case)) for case in conformance.cases(entry))
        ]
        lines += [(case, f"Record fixtures/{case}.json.") for case in conformance.missing(entry)]
        lines += [(line, "" if ok else remedy) for line, ok, remedy in conformance.checklist(entry)]
        for line, why in lines:
            self.stdout.write(f"{'FAILED' if why else 'ok':7} {line}" + (f"\n        {_indented(why)}" if why else ""))
        wrong = sum(bool(why) for _, why in lines)
        if wrong:
            raise CommandError(f"{entry.slug}: {wrong} of {len(lines)} failed.")
        self.stdout.write(f"{entry.slug}: all {len(lines)} hold.")

    def _live(self, entry: Entry) -> None:
        if entry.adapter is None or entry.catalogue is None:
            raise CommandError(f"{entry.slug} could not be loaded.")
        seen = looking.look(entry.adapter, entry.catalogue, private_hosts=settings.MEDIAGEN_PRIVATE_HOSTS)
        for what, found, why in seen:
            self.stdout.write(f"{'FAILED' if why else 'ok':7} {what}: {why or found}")
        if not seen:
            raise CommandError(
                f"{entry.slug} has neither `inspect` nor `discover`: nothing can be asked without paying."
            )
        if wrong := sum(bool(why) for _, _, why in seen):
            raise CommandError(f"{entry.slug}: {wrong} of {len(seen)} failed.")


def _entry(name: str) -> Entry:
    found = registry.get(name) or _in_folder(Path(name))
    if found is None:
        known = ", ".join(registry.entries)
        raise CommandError(
            f"NAME: there is no provider {name!r} and no folder of that name with a catalogue.yaml. Known: {known}."
        )
    return found


def _in_folder(folder: Path) -> Entry | None:
    """A folder that need not be installed: loaded alone, its troubles told instead of raised."""
    if not (folder / "catalogue.yaml").is_file():
        return None
    with TemporaryDirectory() as nothing:
        alone = Registry().load(Path(nothing), paths=[folder], entry_points=False)
    return next(iter(alone.entries.values()), None)


def _indented(text: str) -> str:
    return text.replace("\n", "\n        ")


def _short(trace: str) -> str:
    """A problem of the catalogue names its line by itself; of code the whole traceback is wanted."""
    return trace.split("CatalogueError: ", 1)[-1].strip()
