"""A new provider is one folder: dropped somewhere, named in a setting, and everything works with nothing else changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from faults.harness import adapters, ask, upstream

from accounts import site_accounts
from generations import auditing, lifecycle, orders, tasks
from generations.models import Generation
from providers import loaded
from providers.sync import sync

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """As at start-up with MEDIAGEN_ADAPTER_PATHS naming the folder and the key in the environment."""
    with upstream(tmp_path) as port:
        folders = adapters(tmp_path, port)
        monkeypatch.setenv("THROWAWAY_API_KEY", "throwaway-key")
        monkeypatch.setattr(settings, "MEDIAGEN_PRIVATE_HOSTS", frozenset({("127.0.0.1", port)}))
        loaded.registry.load(loaded.BUILTIN, paths=folders)
        sync()
        site_accounts.ensure()
        yield port
    loaded.registry.load(loaded.BUILTIN)
    sync()


def run(generation: Generation, seconds: float = 20) -> Generation:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not generation.is_terminal:
        for cluster in ("default", "poll", "io"):
            tasks.work(cluster)
        generation.refresh_from_db()
    return generation


def test_a_folder_from_elsewhere_serves_a_generation(
    installed: int, studio_space: Any, alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SLICE", 0.3)
    order = orders.read(
        {"model": "findable/picture", "params": {"prompt": "from one folder", "aspect_ratio": "16:9", "wobble": "hard"}}
    )
    generation, _ = lifecycle.create(order=order, workspace=studio_space, user=alice)
    assert run(generation).status == "succeeded", generation.error_message
    asset = generation.assets.get()
    assert (asset.kind, asset.mime, asset.width, asset.height) == ("image", "image/png", 64, 48)
    stats = ask(f"http://127.0.0.1:{installed}/stats")[1]
    assert stats["bodies"] == [
        {
            "input": {"prompt": "from one folder", "aspect": "16:9", "wobble": 2},
            "reference": str(generation.attempts.get().pk),
        }
    ]
    assert generation.receipt["lines"][-1] == {"label": "Wobble hard", "amount": "2.500000"}
    assert list(auditing.check()) == []


def test_a_cancel_is_asked_of_the_provider_and_its_word_decides(
    installed: int, studio_space: Any, alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SLICE", 0.3)
    order = orders.read({"model": "findable/picture", "params": {"prompt": "stop me [slow 30]"}})
    generation, _ = lifecycle.create(order=order, workspace=studio_space, user=alice)
    run(generation, 3)
    assert generation.status == "running"
    lifecycle.cancel(generation, by=alice)
    assert run(generation).status == "cancelled"
    assert ask(f"http://127.0.0.1:{installed}/stats")[1]["cancels"] == 1
    assert generation.charged_micros == 0
    assert list(auditing.check()) == []
