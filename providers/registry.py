"""slug → adapter: our own folders first, then installed packages, then the operator's directories.

Importing an adapter registers nothing; `load` is the only place it happens. A broken folder of ours fails loudly, a
broken one of somebody else's is kept with its traceback while the rest load.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint
from importlib.metadata import entry_points as installed
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from .adapter import BaseAdapter
from .catalogue import load as load_catalogue
from .catalogue_types import Catalogue
from .declared import Declared
from .errors import AuthorError, CatalogueError

GROUP = "mediagen.adapters"
OURS = Path(__file__).resolve().parent / "adapters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One adapter found, or what went wrong with it. `origin`: builtin · package · path."""

    slug: str
    origin: str
    folder: Path | None = None
    adapter: BaseAdapter | None = None
    catalogue: Catalogue | None = None
    error: str = ""


class Registry:
    """`entries` by slug hold the first claim on it; `refused` are later claims and finds without a usable name."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.refused: list[Entry] = []

    def load(self, builtin_dir: Path, paths: Iterable[Path] = (), entry_points: bool = True) -> Registry:
        found: dict[str, Entry] = {}
        refused: list[Entry] = []
        for folder in _folders(builtin_dir):
            found[folder.name] = _entry(folder.name, "builtin", folder, partial(_our_module, folder))
        for entry in [*(_packages() if entry_points else ()), *(item for path in paths for item in _at_path(path))]:
            if entry.slug in found:
                other = found[entry.slug].origin
                why = f"The slug {entry.slug} is taken by another adapter ({other}). Give this one a name of its own."
                refused.append(Entry(slug=entry.slug, origin=entry.origin, folder=entry.folder, error=why))
            else:
                found[entry.slug] = entry
        self.entries, self.refused = dict(sorted(found.items())), refused
        return self

    def get(self, slug: str) -> Entry | None:
        """The entry, broken or not; None for a slug nobody has."""
        return self.entries.get(slug)

    def __iter__(self) -> Iterator[Entry]:
        """Those that work."""
        return (entry for entry in self.entries.values() if not entry.error)

    def __contains__(self, slug: str) -> bool:
        return slug in self.entries

    def broken(self) -> tuple[Entry, ...]:
        return (*(entry for entry in self.entries.values() if entry.error), *self.refused)

    def detect(self, url: str) -> str | None:
        """Which provider an address belongs to; the longest domain wins."""
        return detect(self, url)


def detect(entries: Iterable[Entry], url: str) -> str | None:
    host = host_of(url)
    fits = [
        (len(domain), entry.slug)
        for entry in entries
        for domain in (entry.catalogue.domains if entry.catalogue else ())
        if host == domain or host.endswith(f".{domain}")
    ]
    return max(fits)[1] if fits else None


def host_of(url: str) -> str:
    try:
        return (urlsplit(url if "//" in url else f"//{url}").hostname or "").lower().rstrip(".")
    except ValueError:
        return ""


# -- one adapter -----------------------------------------------------------------------------------------------------
def _entry(slug: str, origin: str, folder: Path, module: Callable[[], ModuleType | None]) -> Entry:
    """Raises whatever is wrong with it."""
    if not (folder / "catalogue.yaml").is_file():
        raise CatalogueError(f"{folder}: file: holds no catalogue.yaml. Write one, or remove the folder.")
    catalogue = load_catalogue(folder, slug=slug)
    return Entry(
        slug=slug, origin=origin, folder=folder, adapter=_adapter(catalogue, folder, module()), catalogue=catalogue
    )


def _adapter(catalogue: Catalogue, folder: Path, module: ModuleType | None) -> BaseAdapter:
    if module is None:
        if "submit" not in catalogue.endpoints:
            raise AuthorError(f"{folder}: has neither adapter.py nor http.endpoints.submit. Write one of them.")
        return Declared(catalogue)
    made = getattr(module, "Adapter", None)
    if not (inspect.isclass(made) and issubclass(made, BaseAdapter)):
        raise AuthorError(f"{folder / 'adapter.py'}: holds no `class Adapter(BaseAdapter)`. Write it.")
    return made(catalogue)


def _third(slug: str, origin: str, folder: Path | None, make: Callable[[], Entry]) -> Entry:
    """Somebody else's: nothing it does while loading may stop us, SystemExit included."""
    try:
        return make()
    except (Exception, SystemExit):
        return Entry(slug=slug, origin=origin, folder=folder, error=traceback.format_exc())


# -- where they are --------------------------------------------------------------------------------------------------
def _folders(where: Path) -> list[Path]:
    return sorted(path for path in where.iterdir() if path.is_dir() and path.name[0] not in "._")


def _our_module(folder: Path) -> ModuleType | None:
    if folder.resolve().parent != OURS:
        return _private_module(folder)
    return importlib.import_module(f"{__package__}.adapters.{folder.name}.adapter") if _has_code(folder) else None


def _packages() -> Iterator[Entry]:
    for point in sorted(installed(group=GROUP), key=lambda point: (point.name, point.value)):
        yield _third(point.name, "package", None, partial(_packaged, point))


def _packaged(point: EntryPoint) -> Entry:
    """The point names the package, its adapter module, or the class in it; the folder is where that file lives."""
    target = point.load()
    module = target if inspect.ismodule(target) else sys.modules[target.__module__]
    folder = Path(inspect.getfile(module)).resolve().parent

    def code() -> ModuleType | None:
        if hasattr(module, "Adapter"):
            return module
        return importlib.import_module(f"{module.__name__}.adapter") if _has_code(folder) else None

    return _entry(point.name, "package", folder, code)


def _at_path(path: Path) -> Iterator[Entry]:
    found = [path, *(_folders(path) if path.is_dir() else ())]
    folders = [folder for folder in found if (folder / "catalogue.yaml").is_file()]
    folders = folders[:1] if path in folders else folders
    if not folders:
        why = f"{path} holds no adapter folder. Name a folder with a catalogue.yaml, or a folder of such folders."
        yield Entry(slug=path.name or str(path), origin="path", folder=path, error=why)
    for folder in folders:
        slug = folder.resolve().name
        code = partial(_private_module, folder)
        yield _third(slug, "path", folder, partial(_entry, slug, "path", folder, code))


def _private_module(folder: Path) -> ModuleType | None:
    """adapter.py of a folder that is on no import path, under a package name of its own: relative imports work."""
    if not _has_code(folder):
        return None
    name = f"mediagen_adapter_{re.sub(r'[^A-Za-z0-9]', '_', str(folder.resolve()))}"
    if name not in sys.modules:
        start = folder / "__init__.py"
        spec = importlib.util.spec_from_file_location(name, start, submodule_search_locations=[str(folder)])
        if not start.is_file() or spec is None:
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(folder)]
        package = importlib.util.module_from_spec(spec)
        sys.modules[name] = package
        try:
            if spec.loader:
                spec.loader.exec_module(package)
        except BaseException:
            del sys.modules[name]
            raise
    return importlib.import_module(f"{name}.adapter")


def _has_code(folder: Path) -> bool:
    return (folder / "adapter.py").is_file()
