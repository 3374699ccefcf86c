"""What the browser tests share: people, sizes, generations brought to their end by the real verbs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

WIDE, PHONE = (1440, 900), (360, 740)
CREDITS = 1000


def person(name: str, **more: Any) -> Any:
    from django.contrib.auth import get_user_model

    from accounts import ledger, people
    from accounts.money import MICROS

    user = get_user_model().objects.create_user(name, f"{name}@example.org", "a long pass phrase", **more)
    ledger.grant(ledger.wallet(people.personal_workspace(user)), amount=CREDITS * MICROS, key="grant:tests")
    return user


def signed_in(user: Any) -> Any:
    from django.test import Client

    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def made(user: Any, model: str, **params: Any) -> Any:
    from accounts import people
    from generations import lifecycle, orders

    order = orders.read({"model": model, "params": {"prompt": "a kite over hills", **params}})
    return lifecycle.create(order=order, workspace=people.personal_workspace(user), user=user)[0]


def ended(*generations: Any) -> None:
    """Wait until the workers have brought these to their end."""
    for generation in generations:
        until(lambda one=generation: (one.refresh_from_db(), one.is_terminal)[1], 60)


def until(true: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait for it; what it answered."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found


def holds(page: Any, script: str) -> None:
    """Wait until it is true in the page. Asked from outside: the policy forbids the page to evaluate words."""
    until(lambda: page.evaluate(script))
