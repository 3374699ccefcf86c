"""Finding a Chromium: the chosen one alone, else the first that really answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediagen_site import browser


def program(path: Path, *, works: bool) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nexit {0 if works else 1}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "fetched"))
    monkeypatch.setattr(browser, "OWN", tmp_path / "own")
    monkeypatch.setattr(browser, "BUNDLES", ())


def test_a_stub_that_only_advises_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "chromium", works=False)
    real = program(tmp_path / "bin" / "google-chrome", works=True)
    assert browser.find() == real


def test_a_chosen_browser_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin" / "chromium", works=True)
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "missing"))
    assert browser.find() is None
    with pytest.raises(browser.NoBrowser, match="BROWSER_PATH"):
        browser.obtain("python")


def test_what_playwright_fetched_is_found(tmp_path: Path) -> None:
    fetched = program(tmp_path / "fetched" / "chromium-1200" / "chrome-linux" / "chrome", works=True)
    assert browser.find() == fetched


def test_without_any_it_is_fetched_into_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own" / "chromium-1" / "chrome-linux64" / "chrome"
    monkeypatch.setattr(browser, "by_apt", lambda python: None)
    monkeypatch.setattr(browser, "by_playwright", lambda python: program(own, works=True))
    assert browser.obtain("python") == str(own)
