"""`newadapter NAME`: a provider folder that passes conformance as it is; change names, paths and recorded answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from providers import scaffold
from providers.loaded import BUILTIN, registry


class Command(BaseCommand):
    help = "Write the folder of a new provider: a catalogue and recorded answers that pass conformance."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Its slug: small letters, digits and underscores.")
        parser.add_argument("--label", default="", help="What people call it; made from the slug when left out.")
        parser.add_argument(
            "--into", type=Path, default=BUILTIN, help="The folder to write it into; our own adapters by default."
        )
        parser.add_argument(
            "--code", action="store_true", help="Also write adapter.py, for what a catalogue cannot say."
        )

    def handle(self, *args: Any, name: str, label: str, into: Path, code: bool, **options: Any) -> None:
        if name in registry:
            raise CommandError(f"NAME: there is a provider {name} already. Choose another name.")
        try:
            folder = scaffold.write(name, into, name=label, code=code)
        except ValueError as error:
            raise CommandError(f"NAME: {error}") from None
        except FileExistsError:
            raise CommandError(
                f"NAME: {into / name} exists already. Choose another name, or remove the folder."
            ) from None
        self.stdout.write(f"Written: {folder}")
        outside = into.resolve() != BUILTIN.resolve()
        if outside:
            self.stdout.write(f"To have it loaded, set MEDIAGEN_ADAPTER_PATHS={into}")
        self.stdout.write(
            f"Change catalogue.yaml and fixtures/, then: python3 run.py manage checkadapter {folder if outside else name}"
        )
