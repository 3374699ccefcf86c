"""`newadapter` writes a folder that passes, `checkadapter` says what does not."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError


def run(*args: str) -> str:
    out = StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run("newadapter", "acme_film", "--into", str(tmp_path))
    return tmp_path / "acme_film"


def test_a_new_adapter_passes_as_it_is(folder: Path) -> None:
    text = run("checkadapter", str(folder))
    assert "acme_film: all 18 hold." in text and "FAILED" not in text


def test_a_new_adapter_with_code_passes_too(tmp_path: Path) -> None:
    run("newadapter", "acme_coded", "--code", "--label", "Acme", "--into", str(tmp_path))
    assert "name: Acme" in (tmp_path / "acme_coded" / "catalogue.yaml").read_text()
    assert "all 18 hold" in run("checkadapter", str(tmp_path / "acme_coded"))


def test_a_missing_fixture_fails_by_its_name(folder: Path) -> None:
    (folder / "fixtures" / "garbage.json").unlink()
    with pytest.raises(CommandError, match=r"2 of 18 failed"):
        run("checkadapter", str(folder))


def test_a_broken_catalogue_is_told_by_its_line(folder: Path) -> None:
    file = folder / "catalogue.yaml"
    file.write_text(file.read_text().replace("per_second", "per_secnd"))
    with pytest.raises(CommandError, match=r"catalogue\.yaml:\d+: capabilities\.0\.price\.kind") as told:
        run("checkadapter", str(folder))
    assert "Traceback" not in str(told.value)


@pytest.mark.parametrize("name", ["local", "mock"])
def test_our_own_pass(name: str) -> None:
    assert f"{name}: all" in run("checkadapter", name)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(CommandError, match=r"Known: .*mock"):
        run("checkadapter", "nobody")


@pytest.mark.parametrize("name", ["Bad-Name", "mock"])
def test_a_name_that_cannot_be_had_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^NAME: "):
        run("newadapter", name, "--into", str(tmp_path))


def test_a_folder_that_exists_is_not_written_over(folder: Path) -> None:
    with pytest.raises(CommandError, match="exists already"):
        run("newadapter", "acme_film", "--into", str(folder.parent))
