"""`generate` goes through the same door as everyone and is refused in the same words."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts import ledger, people
from generations.models import Generation

pytestmark = pytest.mark.django_db


def run(*args: str, **options: Any) -> str:
    out = StringIO()
    call_command("generate", *args, stdout=out, **options)
    return out.getvalue()


def test_it_is_submitted_for_the_person_named(alice: Any) -> None:
    text = run("mock/image", "a lighthouse", user="alice", wait=0, param=["aspect_ratio=16:9", "count=2"])
    made = Generation.objects.get()
    assert (made.user, made.workspace) == (alice, people.personal_workspace(alice))
    assert made.params == {"prompt": "a lighthouse", "aspect_ratio": "16:9", "count": 2}
    assert str(made.pk) in text and "4.00 credits" in text
    assert ledger.wallet(made.workspace).held == 4_000_000


def test_it_may_work_in_a_shared_workspace(alice: Any, studio_space: Any) -> None:
    run("mock/image", "a lighthouse", user="alice", workspace=studio_space.slug, wait=0)
    assert Generation.objects.get().workspace == studio_space


def test_a_text_goes_where_the_model_takes_one(alice: Any) -> None:
    run("mock/speech", "good evening", user="alice", wait=0)
    assert Generation.objects.get().prompt == "good evening"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["mock/image", "x", "--user", "nobody"], "--user"),
        (["mock/image", "x", "--user", "alice", "--param", "nope"], "--param"),
        (["mock/image", "x", "--user", "alice", "--param", "nope=1"], "params.nope"),
        (["mock/none", "x", "--user", "alice"], "model"),
        (["mock/image", "x", "--user", "alice", "--workspace", "elsewhere"], "--workspace"),
    ],
)
def test_what_is_wrong_is_told_by_its_name(alice: Any, args: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        run(*args)
    assert not Generation.objects.exists()


def test_a_named_operation_runs_as_a_mock(alice: Any) -> None:
    run("mock/image", "x", user="alice", wait=0, mock="text_to_video,text_to_image")
    assert Generation.objects.get().mode == "mock"


def test_it_says_so_when_the_time_is_up(alice: Any) -> None:
    with pytest.raises(CommandError, match="Not finished yet"):
        run("mock/image", "x", user="alice", wait=0.01)
