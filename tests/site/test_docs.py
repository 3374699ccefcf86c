"""What the documents say is so: their settings, commands, calls, links and examples exist."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from providers.catalogue import load

ROOT = Path(__file__).resolve().parents[2]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MADE_LATER = {"docs/images/studio.png"}


def text(name: str) -> str:
    return (ROOT / name).read_text()


def test_every_setting_told_is_one_and_every_one_is_told() -> None:
    known = set(re.findall(r"^#([A-Z][A-Z_]+)=", text(".env.example"), re.M))
    told = set(re.findall(r"`([A-Z][A-Z_]{3,})`", text("docs/operate.md").split("## Settings")[1].split("\n## ")[0]))
    for_tests_and_images = {"MEDIAGEN_NO_VENV", "MEDIAGEN_KILL_AT", "BROWSER_PATH", "PLAYWRIGHT_BROWSERS_PATH"}
    assert told - known == set()
    assert known - told - for_tests_and_images == set()


def test_every_command_told_exists() -> None:
    told = {name for file in DOCS for name in re.findall(r"run\.py manage ([a-z]+)", file.read_text())}
    assert told and told <= set(get_commands())


def test_the_first_provider_of_the_readme_loads(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(slug: acme.*?)```", text("README.md"), re.S)
    assert example is not None
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / "catalogue.yaml").write_text(example[1])
    catalogue = load(folder)
    assert [item.model for item in catalogue.capabilities] == ["video-1"] and "poll" in catalogue.endpoints


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_every_link_inside_leads_somewhere(file: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+?)\)", file.read_text()) if "://" not in link]
    broken = [link for link in links if not (file.parent / link).exists() and link not in MADE_LATER]
    assert broken == []


def test_every_call_of_the_table_is_answered() -> None:
    table = text("docs/api.md").split("## The calls")[1].split("\n## ")[0]
    paths = {path.split("?")[0] for path in re.findall(r"[` ·](/[a-z/{}-]+)", table)}
    for path in sorted(paths):
        address = "/api/v1" + path.format(id=UUID(int=0), slug="mock", prefix="abc")
        try:
            name = resolve(address).url_name
        except Resolver404:
            name = None
        assert name, f"{path} is told of and answered by nobody"
