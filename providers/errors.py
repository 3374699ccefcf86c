"""The one exception an adapter may raise, and the codes it may carry."""

from __future__ import annotations

from typing import Final

# code -> may the same request succeed later without a person changing it?
CODES: Final[dict[str, bool]] = {
    "invalid_input": False,
    "unsupported": False,
    "input_unusable": False,
    "content_rejected": False,
    "auth_failed": True,
    "session_expired": True,
    "session_revoked": False,
    "out_of_credits": True,
    "rate_limited": True,
    "busy": True,
    "unavailable": True,
    "model_gone": False,
    "remote_failed": True,
    "remote_not_found": True,
    "result_gone": True,
    "bad_reply": True,
    "unknown_outcome": False,
}


class ProviderError(Exception):
    """What went wrong at a provider, in our words; `message` is safe to show to the person.

    `charged` says whether the provider took money for it: True, False, or None when it did not say.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        charged: bool | None = None,
        vendor_code: str = "",
        http_status: int | None = None,
    ) -> None:
        if code not in CODES:
            raise AuthorError(f"{code!r} is not one of our error codes: {', '.join(CODES)}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.charged = charged
        self.vendor_code = vendor_code
        self.http_status = http_status

    def __repr__(self) -> str:
        return f"ProviderError({self.code!r}, {self.message!r})"


class AuthorError(TypeError):
    """The adapter itself is wrong (a forgotten yield, an unlisted status code table): our bug, never the person's."""


class CatalogueError(ValueError):
    """A catalogue.yaml that cannot be used; the text names file, line, path and remedy."""


class TransportError(Exception):
    """A driver could not bring a reply. `sent`: may the provider have seen the request? Unknown counts as sent."""

    def __init__(self, kind: str, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.kind = kind  # "timeout" | "connection" | "tls" | "guard" | "too_large" | "cut"
        self.sent = sent
