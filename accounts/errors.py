"""The one exception for everything a person or a program may be told no for; doors turn it into their own form."""

from __future__ import annotations

from collections.abc import Mapping


class Refused(Exception):
    """`code` for programs, `detail` for people, `fields` to stand beside what they typed."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int = 422,
        fields: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})


class InsufficientCredits(Refused):
    def __init__(self, detail: str) -> None:
        super().__init__("insufficient_credits", detail, status=402)


def field_errors(fields: Mapping[str, list[str]]) -> Refused:
    """One refusal for several fields; its sentence names the first."""
    name, messages = next(iter(fields.items()))
    more = f" And {len(fields) - 1} more." if len(fields) > 1 else ""
    return Refused("invalid_fields", f"{name}: {messages[0]}{more}", fields=fields)
