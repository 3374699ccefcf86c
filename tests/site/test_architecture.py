"""The shape of the house: who imports whom, how long a file and a function may be, where a vendor's name may stand."""

from __future__ import annotations

import ast
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "generations", "mediagen_site", "providers")
ADAPTERS = ROOT / "providers" / "adapters"
DIALECTS = ROOT / "generations" / "compat"  # speaks vendors' dialects, the one exception
LONGEST_FILE, LONGEST_FUNCTION, MEAN_FUNCTION = 300, 40, 12
BUILT_IN = {"mock", "local"}
VENDORS = {
    "elevenlabs",
    "fal",
    "gptunnel",
    "ideogram",
    "kling",
    "luma",
    "midjourney",
    "minimax",
    "openai",
    "openrouter",
    "pixverse",
    "recraft",
    "remaker",
    "replicate",
    "runway",
    "stability",
}
# what an adapter may import besides the standard library; the built-in ones make media themselves
CONTRACT = {"providers.adapter", "providers.declared", "providers.types", "providers.errors"}
MAKERS = {"PIL", "av"}
NOT_IN_ADAPTERS = {"asyncio", "http", "os", "random", "socket", "subprocess", "threading", "urllib.request"}


def sources() -> list[Path]:
    files = (file for app in APPS for file in (ROOT / app).rglob("*.py"))
    return sorted(file for file in files if "migrations" not in file.parts)


def core() -> list[Path]:
    return [file for file in sources() if ADAPTERS not in file.parents]


def functions(file: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def shown(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_no_core_file_is_longer_than_three_hundred_lines() -> None:
    lengths = {shown(file): len(file.read_text().splitlines()) for file in core()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{shown(file)} {name}: {lines}"
        for file in sources()
        for name, lines in functions(file)
        if lines > LONGEST_FUNCTION
    ]
    assert long == []


def test_functions_are_small_on_the_whole() -> None:
    assert statistics.mean(lines for file in sources() for _, lines in functions(file)) < MEAN_FUNCTION


def test_every_module_says_what_lives_in_it() -> None:
    silent = [shown(f) for f in sources() if f.read_text().strip() and not ast.get_docstring(ast.parse(f.read_text()))]
    assert silent == []


def test_imports_go_one_way() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    assert program.exists() or shutil.which("lint-imports"), (
        "import-linter is not installed: python3 run.py test does it"
    )
    done = subprocess.run([program, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# -- adapters ------------------------------------------------------------------------------------------------------------


def adapters() -> list[str]:
    return sorted(folder.name for folder in ADAPTERS.iterdir() if (folder / "catalogue.yaml").exists())


def imports(file: Path) -> set[str]:
    """Full module names, relative ones made absolute."""
    package = ".".join(file.relative_to(ROOT).parent.parts).split(".")
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            found.update([module] if node.module else (f"{module}.{alias.name}" for alias in node.names))
    return found


@pytest.mark.parametrize("slug", adapters())
def test_an_adapter_imports_the_contract_and_nothing_else_of_ours(slug: str) -> None:
    own = f"providers.adapters.{slug}"
    allowed = CONTRACT | (MAKERS if slug in BUILT_IN else set())
    for file in (ADAPTERS / slug).rglob("*.py"):
        for name in imports(file):
            known = name.split(".")[0] in sys.stdlib_module_names or name == own or name.startswith(f"{own}.")
            assert known or name.split(".")[0] in allowed or name in allowed, f"{shown(file)} imports {name}"


def test_an_adapter_of_a_remote_provider_touches_neither_network_nor_machine() -> None:
    remote = [slug for slug in adapters() if slug not in BUILT_IN]
    touching = [
        shown(file) for slug in remote for file in (ADAPTERS / slug).rglob("*.py") if imports(file) & NOT_IN_ADAPTERS
    ]
    assert touching == []


# -- vendors' names ------------------------------------------------------------------------------------------------------


def texts() -> list[Path]:
    places = [*(ROOT / app for app in APPS), ROOT / "templates", ROOT / "static"]
    files = (file for place in places for ending in ("py", "html", "js") for file in place.rglob(f"*.{ending}"))
    return [
        f for f in files if not {ADAPTERS, DIALECTS} & set(f.parents) and not {"vendor", "migrations"} & set(f.parts)
    ]


def test_no_vendor_is_named_outside_its_folder() -> None:
    names = (VENDORS | set(adapters())) - BUILT_IN
    word = re.compile(rf"\b({'|'.join(sorted(map(re.escape, names)))})\b", re.I)
    named = [
        f"{shown(file)}:{number} {match[0]}"
        for file in texts()
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if (match := word.search(line))
    ]
    assert named == []
