"""What each trouble leads to: one table, read by the lifecycle. (error code) -> what happens to the job and the account."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Next = Literal["fail", "filter", "again", "unknown"]
AccountEffect = Literal["", "auth_required", "revoked", "exhausted", "cool", "provider_down"]


@dataclass(frozen=True, slots=True)
class Rule:
    next: Next
    account: AccountEffect = ""
    counts: bool = False  # does it use up the retry budget?


POLICY: dict[str, Rule] = {
    "invalid_input": Rule("fail"),
    "unsupported": Rule("fail"),
    "input_unusable": Rule("fail"),
    "model_gone": Rule("fail"),
    "content_rejected": Rule("filter"),
    "auth_failed": Rule("again", "auth_required"),
    "session_expired": Rule("again", "auth_required"),
    "session_revoked": Rule("again", "revoked"),
    "out_of_credits": Rule("again", "exhausted"),
    "rate_limited": Rule("again", "cool"),
    "busy": Rule("again", "cool"),
    "unavailable": Rule("again", "provider_down"),
    "unknown_outcome": Rule("unknown"),
    "remote_failed": Rule("again", counts=True),
    "remote_not_found": Rule("again", counts=True),
    "bad_reply": Rule("again", counts=True),
    "result_gone": Rule("fail"),
}
MAX_RETRIES = 2
STRIKES = 3  # looks in a row that made no sense …
STRIKE_SECONDS = 60  # … over at least this long, before an attempt is called unknown


def backoff(count: int, *, ceiling: float = 60) -> float:
    """Seconds before the next try: doubling, with jitter so that a crowd does not come back at once."""
    return min(2.0 ** min(count, 10), ceiling) * random.uniform(0.8, 1.2)  # noqa: S311
