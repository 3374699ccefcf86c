"""run.py, manage.py and `up`: the sentences people get, the stamp, what pip knows and uv must be told."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """run.py as a module, its .venv somewhere harmless."""
    spec = importlib.util.spec_from_file_location("run_under_test", ROOT / "run.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    for name, path in {
        "VENV": venv,
        "PYTHON": venv / "bin/python",
        "STAMP": venv / "installed",
        "TOOLS": venv / "tools",
    }.items():
        monkeypatch.setattr(module, name, path)
    return module


def manage(tmp_path: Path, *args: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """manage.py in a process of its own, on an empty data directory, without keys unless `extra` brings them."""
    unset = {
        "SECRET_KEY": "",
        "FIELD_KEYS": "",
        "REDIS_URL": "",
        "APP_URL": "",
        "HOST": "127.0.0.1",
        "MEDIAGEN_NO_VENV": "1",
    }
    env = {
        **os.environ,
        **unset,
        "MEDIAGEN_VAR": str(tmp_path / "var"),
        "DATABASE_URL": f"sqlite:///{tmp_path}/x.sqlite3",
        **extra,
    }
    return subprocess.run(
        [sys.executable, "manage.py", *args], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )


def one_sentence(text: str) -> bool:
    return len(text.strip().splitlines()) == 1 and "Traceback" not in text


def test_the_stamp_makes_a_second_start_free(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    did: list[str] = []
    monkeypatch.setattr(run, "make_venv", lambda: did.append("venv"))
    monkeypatch.setattr(run, "with_uv", lambda wanted: did.append(wanted) or True)
    run.install("app")
    run.install("app")
    assert did == ["venv", "app"]


def test_the_development_set_serves_a_plain_start_too(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "make_venv", lambda: pytest.fail("it installed again"))
    run.STAMP.write_text(run.fingerprint("dev"))
    run.install("app")


def test_changed_requirements_are_installed(run: ModuleType) -> None:
    run.STAMP.write_text("app 0123\n")
    assert not run.is_installed("app")


def test_pip_does_the_work_when_uv_cannot(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def pip(*args: str) -> None:
        asked.append(args)
        if "--target" in args:
            raise run.Stop("no uv for this machine")

    monkeypatch.setattr(run, "make_venv", lambda: None)
    monkeypatch.setattr(run, "uv_environment", dict)
    monkeypatch.setattr(run, "pip", pip)
    run.install("app")
    assert asked[-1][:2] == ("install", "--require-hashes")
    assert asked[-1][-1].endswith("requirements/app.txt")
    assert run.is_installed("app")


def test_uv_is_told_what_the_machines_pip_is_told(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = (
        "global.index-url='https://mirror.example/simple'\n"
        "global.extra-index-url='https://a.example/simple\\nhttps://b.example/simple'\n"
        ":env:.find-links='/some/wheels'\n"
        "global.timeout='60'\n"
    )
    monkeypatch.setattr(run.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0, stdout=listed))
    assert run.uv_environment() == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_FIND_LINKS": "/some/wheels",
    }


def test_a_python_without_ensurepip_gets_the_one_line_remedy(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(run.Stop, match=rf"apt-get install -y python3\.{sys.version_info.minor}-venv"):
        run.make_venv()


def test_a_failed_installation_is_one_sentence_with_the_last_word(run: ModuleType) -> None:
    with pytest.raises(run.Stop, match=r"^Mediagen was not set up: no luck\. the reason$"):
        run.asked("no luck", sys.executable, "-c", "print('much'); print('the reason'); raise SystemExit(1)")


def test_an_unknown_command_shows_the_known_ones() -> None:
    done = subprocess.run([sys.executable, "run.py", "fly"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "There is no command 'fly'." in done.stderr
    assert "python3 run.py" in done.stderr


def test_run_imports_nothing_but_the_standard_library() -> None:
    allowed = {*sys.stdlib_module_names, "mediagen_site"}  # mediagen_site.browser, itself standard library only
    for file in (ROOT / "run.py", ROOT / "mediagen_site" / "browser.py"):
        imported = re.findall(r"^\s*(?:from|import) (\w+)", file.read_text(), re.M)
        assert set(imported) <= allowed, file


def test_every_requirement_is_pinned_with_a_hash_and_names_no_index() -> None:
    for file in sorted((ROOT / "requirements").glob("*.txt")):
        text = file.read_text()
        for entry in re.split(r"\n(?=\S)", text.strip()):
            assert entry.startswith("#") or re.match(r"[\w.\[\]-]+==\S+.*--hash=sha256:", entry, re.S), (
                f"{file.name}: {entry[:60]}"
            )
        assert "://" not in text


# -- manage.py and up ----------------------------------------------------------------------------------------------------


def test_a_missing_key_is_one_sentence(tmp_path: Path) -> None:
    done = manage(tmp_path, "check")
    assert done.returncode == 2
    assert one_sentence(done.stderr)
    assert "SECRET_KEY is not set" in done.stderr


def test_up_makes_keys_only_their_owner_can_read(tmp_path: Path) -> None:
    manage(tmp_path, "up", PORT="nonsense")
    modes = {name: (tmp_path / "var" / name).stat().st_mode & 0o777 for name in ("secret_key", "field_keys")}
    assert modes == {"secret_key": 0o600, "field_keys": 0o600}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mongodb://localhost/x", "DATABASE_URL must be a postgres:// or sqlite:/// address."),
        ("postgres://nobody@127.0.0.1:1/none", "The database of DATABASE_URL cannot be reached"),
        ("postgres://user:hush@host:not-a-port/x", "DATABASE_URL cannot be read"),
    ],
)
def test_a_broken_database_address_is_one_sentence(tmp_path: Path, url: str, words: str) -> None:
    done = manage(tmp_path, "up", DATABASE_URL=url, PORT=str(free_port()))
    assert done.returncode == 2
    assert words in done.stderr
    assert one_sentence(done.stderr)
    assert "hush" not in done.stderr


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = manage(tmp_path, "up", PORT=str(port))
    assert done.returncode == 2
    assert one_sentence(done.stderr)
    assert f"Port {port} of 127.0.0.1 cannot be used (address already in use)" in done.stderr


def test_a_port_that_is_no_number_is_one_sentence(tmp_path: Path) -> None:
    done = manage(tmp_path, "up", PORT="80000")
    assert done.returncode == 2
    assert "PORT is '80000'; it must be a number from 1 to 65535." in done.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- .env.example --------------------------------------------------------------------------------------------------------

NOT_SETTINGS = {"DJANGO_SETTINGS_MODULE", "DEBIAN_FRONTEND"}
READ = re.compile(r"""(?:env\.\w+|os\.environ\.get|os\.getenv|\bsecret)\(\s*f?"([A-Z][A-Z0-9_{}.()a-z]*)["]""")


def variables_read() -> set[str]:
    files = [
        ROOT / "manage.py",
        *(f for app in ("accounts", "generations", "mediagen_site", "providers") for f in (ROOT / app).rglob("*.py")),
    ]
    names = {name for file in files for name in READ.findall(file.read_text())} - NOT_SETTINGS
    clusters = {f"WORKERS_{name}" for name in ("DEFAULT", "POLL", "IO")}
    return {name for name in names if "{" not in name} | clusters


def test_the_example_lists_exactly_the_variables_that_are_read() -> None:
    listed = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.M))
    assert listed == variables_read()


def test_each_variable_of_the_example_is_explained() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    explained = False
    for line in lines:
        explained = line.startswith("# ") or (explained and bool(line))
        assert explained or not line, f"{line} stands without a word of explanation"
