"""What the page tests share: orders made by the real verbs, and the work done here and now."""

from __future__ import annotations

from typing import Any

from generations import claims, finishing, lifecycle, orders, submitting
from generations.models import Generation

WORK = {"submit": submitting.work, "settle": submitting.work, "fetch": finishing.work}


def made(user: Any, workspace: Any, model: str = "mock/image", **more: Any) -> Generation:
    body = {"model": model, "params": {"prompt": "a kite over hills"}, **more}
    return lifecycle.create(order=orders.read(body), workspace=workspace, user=user)[0]


def done(user: Any, workspace: Any, model: str = "mock/image", **more: Any) -> Generation:
    """Made, and worked on until nothing is due: what the mock makes at once has then ended."""
    generation = made(user, workspace, model, **more)
    while steps := [*claims.take("io", limit=5), *claims.take("default", limit=5)]:
        for step in steps:
            WORK[step.verb](step)
    generation.refresh_from_db()
    return generation
