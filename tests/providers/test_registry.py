from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.declared import Declared
from providers.errors import AuthorError, CatalogueError
from providers.registry import OURS, Registry
from providers.scaffold import write

ADAPTER = "from providers.adapter import BaseAdapter\nfrom .words import WORD\n\n\nclass Adapter(BaseAdapter):\n    word = WORD\n"


@pytest.fixture
def builtin(tmp_path: Path) -> Path:
    folder = tmp_path / "builtin"
    write("acme", folder)
    return folder


@pytest.fixture
def site_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory on the import path where distributions may be put."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        del sys.modules[name]


def install(site: Path, slug: str, *, package: str = "", target: str = "", code: str = "", broken: str = "") -> None:
    """What pip leaves behind: the package and its dist-info with an entry point."""
    package = package or f"mediagen_{slug}"
    write(slug, site / "made").rename(site / package)
    if code:
        (site / package / "adapter.py").write_text(code)
        (site / package / "words.py").write_text("WORD = 'plugged'\n")
    if broken:
        (site / package / "__init__.py").write_text(broken)
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[mediagen.adapters]\n{slug} = {target or package}\n")
    importlib.invalidate_caches()


def test_a_folder_without_code_is_served_by_its_catalogue(builtin: Path) -> None:
    entry = Registry().load(builtin, entry_points=False).get("acme")
    assert entry
    assert (type(entry.adapter), entry.origin, entry.error) == (Declared, "builtin", "")
    assert entry.adapter.catalogue is entry.catalogue


def test_a_folder_with_code_is_served_by_its_adapter(builtin: Path) -> None:
    (builtin / "acme" / "adapter.py").write_text(ADAPTER)
    (builtin / "acme" / "words.py").write_text("WORD = 'built'\n")
    entry = Registry().load(builtin, entry_points=False).get("acme")
    assert entry
    assert entry.adapter.word == "built"


def test_every_folder_of_ours_loads() -> None:
    names = {path.name for path in OURS.iterdir() if path.is_dir() and path.name[0] not in "._"}
    registry = Registry().load(OURS, entry_points=False)
    assert set(registry.entries) == names
    assert not registry.broken()


def test_a_folder_of_ours_without_catalogue_fails_loudly(builtin: Path) -> None:
    (builtin / "empty").mkdir()
    (builtin / "__pycache__").mkdir()
    with pytest.raises(CatalogueError, match="empty: file: holds no catalogue"):
        Registry().load(builtin, entry_points=False)


def test_a_broken_folder_of_ours_fails_loudly(builtin: Path) -> None:
    (builtin / "acme" / "adapter.py").write_text("class Other:\n    pass\n")
    with pytest.raises(AuthorError, match="holds no `class Adapter"):
        Registry().load(builtin, entry_points=False)


def test_neither_code_nor_endpoints_is_an_error(builtin: Path) -> None:
    path = builtin / "acme" / "catalogue.yaml"
    lines = path.read_text().splitlines(keepends=True)
    start = next(n for n, line in enumerate(lines) if line.startswith("  endpoints:"))
    end = next(n for n, line in enumerate(lines) if line.startswith("credentials:"))
    path.write_text("".join(lines[:start] + lines[end:]))
    with pytest.raises(AuthorError, match=r"neither adapter\.py nor http\.endpoints\.submit"):
        Registry().load(builtin, entry_points=False)


@pytest.mark.parametrize("target", ["", "mediagen_plug.adapter", "mediagen_plug.adapter:Adapter"])
def test_an_installed_package_is_found_by_its_entry_point(builtin: Path, site_packages: Path, target: str) -> None:
    install(site_packages, "plug", target=target, code=ADAPTER)
    registry = Registry().load(builtin)
    entry = registry.get("plug")
    assert entry
    assert (entry.error, entry.origin, entry.adapter.word) == ("", "package", "plugged")
    assert [item.slug for item in registry] == ["acme", "plug"]


def test_an_installed_package_may_be_data_only(builtin: Path, site_packages: Path) -> None:
    install(site_packages, "plain")
    entry = Registry().load(builtin).get("plain")
    assert entry
    assert (type(entry.adapter), entry.error) == (Declared, "")


@pytest.mark.parametrize("fault", ["1 / 0\n", "raise SystemExit(3)\n", "import nowhere_at_all\n"])
def test_a_broken_package_is_kept_with_its_traceback_while_the_rest_load(
    builtin: Path, site_packages: Path, fault: str
) -> None:
    install(site_packages, "bad", broken=fault)
    registry = Registry().load(builtin)
    entry = registry.get("bad")
    assert entry
    assert entry.adapter is None
    assert "Traceback" in entry.error
    assert fault.split()[0] in entry.error
    assert [item.slug for item in registry] == ["acme"]
    assert registry.broken() == (entry,)


def test_a_package_cannot_take_a_slug_of_ours(builtin: Path, site_packages: Path) -> None:
    install(site_packages, "acme", package="usurper")
    registry = Registry().load(builtin)
    assert registry.entries["acme"].origin == "builtin"
    assert [(item.slug, item.origin) for item in registry.broken()] == [("acme", "package")]
    assert "taken by another adapter (builtin)" in registry.broken()[0].error


def test_a_directory_of_the_operator_is_an_adapter_or_a_folder_of_them(builtin: Path, tmp_path: Path) -> None:
    single, shelf = tmp_path / "single", tmp_path / "shelf"
    write("lone", single, code=True)
    write("one", shelf)
    write("two", shelf, code=True)
    (shelf / "notes").mkdir()
    registry = Registry().load(builtin, [single / "lone", shelf], entry_points=False)
    assert {slug: entry.origin for slug, entry in registry.entries.items()} == {
        "acme": "builtin",
        "lone": "path",
        "one": "path",
        "two": "path",
    }
    assert not registry.broken()


def test_two_folders_may_have_modules_of_the_same_name(builtin: Path, tmp_path: Path) -> None:
    for slug, word in (("one", "1"), ("two", "2")):
        folder = write(slug, tmp_path / "shelf")
        (folder / "adapter.py").write_text(ADAPTER)
        (folder / "words.py").write_text(f"WORD = '{word}'\n")
        (folder / "__init__.py").unlink()
    registry = Registry().load(builtin, [tmp_path / "shelf"], entry_points=False)
    assert [registry.entries[slug].adapter.word for slug in ("one", "two")] == ["1", "2"]


def test_what_an_operator_named_wrongly_is_reported_not_fatal(builtin: Path, tmp_path: Path) -> None:
    bad = write("bad", tmp_path / "shelf")
    (bad / "catalogue.yaml").write_text("slug: bad\n")
    registry = Registry().load(builtin, [tmp_path / "nowhere", bad], entry_points=False)
    assert "holds no adapter folder" in registry.entries["nowhere"].error
    assert "catalogue.yaml:1: file: lacks" in registry.entries["bad"].error


def test_an_unknown_slug_is_nobody(builtin: Path) -> None:
    registry = Registry().load(builtin, entry_points=False)
    assert registry.get("ghost") is None
    assert "ghost" not in registry
    assert "acme" in registry


def test_loading_again_gives_the_same(builtin: Path) -> None:
    registry = Registry().load(builtin, entry_points=False)
    first = list(registry.entries)
    assert list(registry.load(builtin, entry_points=False).entries) == first


def test_an_address_belongs_to_the_longest_domain_that_fits(builtin: Path) -> None:
    inner = write("inner", builtin)
    text = (inner / "catalogue.yaml").read_text()
    (inner / "catalogue.yaml").write_text(text.replace("domains: [inner.example]", "domains: [studio.acme.example]"))
    registry = Registry().load(builtin, entry_points=False)
    found = {
        "https://acme.example/v/1": "acme",
        "https://www.ACME.example:8443/v?x=1": "acme",
        "acme.example/path": "acme",
        "https://studio.acme.example/": "inner",
        "https://eu.studio.acme.example./": "inner",
        "https://notacme.example/": None,
        "https://acme.example.evil.test/": None,
        "https://evil.test/?acme.example": None,
        "https://[broken": None,
        "": None,
    }
    assert {url: registry.detect(url) for url in found} == found
