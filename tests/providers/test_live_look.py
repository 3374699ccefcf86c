"""`checkadapter NAME --live` asks the provider itself, over HTTP, and pays for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from faults.harness import adapters, ask, upstream


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[tuple[str, int]]:
    with upstream(tmp_path) as port:
        yield str(adapters(tmp_path, port)[0]), port


def test_a_good_key_is_told_with_its_balance(
    provider: tuple[str, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, port = provider
    monkeypatch.setenv("THROWAWAY_API_KEY", "throwaway-key")
    call_command("checkadapter", folder, "--live")
    assert "ok      inspect: me@example.org; usd 7" in capsys.readouterr().out
    assert ask(f"http://127.0.0.1:{port}/stats")[1]["posts"] == 0


def test_a_wrong_key_fails_without_being_shown(
    provider: tuple[str, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("THROWAWAY_API_KEY", "a-wrong-secret-value")
    with pytest.raises(CommandError, match="1 of 1 failed"):
        call_command("checkadapter", provider[0], "--live")
    told = capsys.readouterr().out
    assert "FAILED  inspect" in told and "a-wrong-secret-value" not in told


def test_a_missing_key_names_its_variable(
    provider: tuple[str, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("THROWAWAY_API_KEY", raising=False)
    with pytest.raises(CommandError, match="failed"):
        call_command("checkadapter", provider[0], "--live")
    assert "Set THROWAWAY_API_KEY in the environment." in capsys.readouterr().out
