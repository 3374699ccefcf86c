"""Magic words: `[[word]]` or `[[word 20]]` in a prompt makes the mock misbehave in one known way.

The table is the whole truth: the catalogue documents it for people and a test keeps the two alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.errors import ProviderError

_WORD = re.compile(r"\[\[\s*([a-z-]+)(?:\s+(\d+(?:\.\d+)?))?\s*\]\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """`code` raised by `raises` (submit, poll) or carried by the end; `clears`: only while the job is this young."""

    says: str
    raises: str = ""
    ends: str = ""
    code: str = ""
    clears: bool = False
    default: float = 0.0
    message: str = ""


WORDS: Mapping[str, Word] = {
    "fail": Word(
        says="fails at 60 %", ends="failed", code="remote_failed", message="The mock failed as it was told to."
    ),
    "filter": Word(
        says="is refused by the content filter",
        ends="filtered",
        code="content_rejected",
        message="The mock's filter refused this prompt, as it was told to. Change the prompt.",
    ),
    "slow": Word(says="takes that many seconds", default=20.0),
    "hang": Word(says="never finishes"),
    "lost": Word(
        says="the answer to the submit is lost, the job arrived",
        raises="submit",
        code="unknown_outcome",
        message="The mock lost its answer: the job may have arrived.",
    ),
    "lost-never": Word(
        says="the answer to the submit is lost, the job never arrived",
        raises="submit",
        code="unknown_outcome",
        message="The mock lost its answer: the job may have arrived.",
    ),
    "busy": Word(
        says="is too busy for that many seconds",
        raises="submit",
        code="busy",
        clears=True,
        default=4.0,
        message="The mock is busy for a moment.",
    ),
    "rate": Word(
        says="rate limits for that many seconds",
        raises="submit",
        code="rate_limited",
        clears=True,
        default=4.0,
        message="The mock takes no more requests for a moment.",
    ),
    "unauthorized": Word(
        says="refuses the account", raises="submit", code="auth_failed", message="The mock refused this account."
    ),
    "empty": Word(
        says="says the account has no credits",
        raises="submit",
        code="out_of_credits",
        message="The mock account has no credits left.",
    ),
    "vanish": Word(
        says="forgets the job",
        raises="poll",
        code="remote_not_found",
        message="The mock knows no such job any more.",
    ),
    "gone": Word(
        says="succeeds, but every result is gone",
        raises="fetch",
        code="result_gone",
        message="The mock keeps this result no longer.",
    ),
    "partial": Word(
        says="makes at least two results, only the first can be fetched",
        raises="fetch",
        code="result_gone",
        message="The mock keeps this result no longer.",
    ),
    "bad": Word(says="succeeds with a web page in place of the file"),
}


def spoken(prompt: str) -> dict[str, float]:
    """The words of a prompt with their numbers; unknown words are plain text."""
    found = ((name, number) for name, number in _WORD.findall(prompt.lower()) if name in WORDS)
    return {name: float(number) if number else WORDS[name].default for name, number in found}


def without(prompt: str) -> str:
    """The prompt as it should be drawn, spoken or written: magic words taken out."""
    kept = _WORD.sub(lambda match: "" if match[1] in WORDS else match[0], prompt)
    return " ".join(kept.split())


def refuse(words: Mapping[str, float], verb: str, *, age: float = 0.0) -> None:
    """Raise what the first word of this verb asks for."""
    for name, number in words.items():
        word = WORDS[name]
        if word.raises == verb and not (word.clears and age >= number):
            raise trouble(name)


def trouble(name: str) -> ProviderError:
    word = WORDS[name]
    extra: dict[str, Any] = {"retry_after": 2.0} if word.clears else {}
    charged = None if word.code == "unknown_outcome" else False
    return ProviderError(word.code, word.message, charged=charged, vendor_code=f"mock_{name}", **extra)
