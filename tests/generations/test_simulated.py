"""Simulated mode: a new provider's own recordings carry a job from prompt to file, without network and without charge."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts import ledger
from generations import auditing, lifecycle, orders, tasks
from providers import loaded, scaffold
from providers.models import Capability
from providers.sync import sync

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Capability]:
    """A folder as `newadapter` writes it; no account, no key."""
    folder = scaffold.write("newcomer", tmp_path)
    loaded.registry.load(loaded.BUILTIN, paths=[folder])
    sync()
    yield Capability.objects.filter(provider__slug="newcomer").select_related("provider").first()
    loaded.registry.load(loaded.BUILTIN)
    sync()


@pytest.mark.parametrize("mode", ["simulated", "mock"])
def test_a_run_that_is_not_live_needs_no_account_and_costs_nothing(
    newcomer: Capability, studio_space: Any, alice: Any, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SLICE", 0.3)
    before = ledger.wallet(studio_space).balance
    order = orders.read({"model": newcomer.model_id, "params": {"prompt": "as recorded"}, "mode": mode})
    generation, _ = lifecycle.create(order=order, workspace=studio_space, user=alice)
    until = time.monotonic() + 30
    while time.monotonic() < until and not generation.is_terminal:
        for cluster in ("default", "poll", "io"):
            tasks.work(cluster)
        generation.refresh_from_db()
    assert generation.status == "succeeded", generation.error_message
    asset = generation.assets.get()
    assert asset.facts.get("mocked" if mode == "mock" else "simulated") is True
    assert (generation.charged_micros, ledger.wallet(studio_space).balance) == (0, before)
    assert generation.quoted_micros > 0
    assert "nothing is charged" in generation.receipt["note"]
    assert list(auditing.check()) == []
