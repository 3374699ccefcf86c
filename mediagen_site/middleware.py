"""What every answer carries: a request id, and a policy of what its page may load.

The policy in settings is strict; the pages listed in LOOSER need more, and only that is added for them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from contextvars import Token

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from .current import request_id

HEADER = "X-Request-ID"
_GIVEN = re.compile(r"[A-Za-z0-9._-]{8,64}")
PERMISSIONS = (
    "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=(), "
    "browsing-topics=()"
)
LOOSER: dict[str, dict[str, list[str]]] = {
    "/admin/": {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]},
    "/api/docs": {"style-src": [SELF, UNSAFE_INLINE]},
}

Next = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class RequestId:
    """One id per request: the proxy's when it sent a sane one, else a new one; in logs, problems and the answer."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.answer(request)
        token = self.begin(request)
        try:
            return self.signed(request, self.get_response(request))  # type: ignore[arg-type]
        finally:
            request_id.reset(token)

    async def answer(self, request: HttpRequest) -> HttpResponseBase:
        token = self.begin(request)
        try:
            return self.signed(request, await self.get_response(request))  # type: ignore[misc]
        finally:
            request_id.reset(token)

    def begin(self, request: HttpRequest) -> Token[str]:
        given = request.headers.get(HEADER, "")
        request.request_id = given if _GIVEN.fullmatch(given) else str(uuid.uuid4())  # type: ignore[attr-defined]
        return request_id.set(request.request_id)  # type: ignore[attr-defined]

    def signed(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers[HEADER] = request.request_id  # type: ignore[attr-defined]
        return response


class ContentPolicy(CSPMiddleware):
    """django-csp with our exceptions, and the permissions no page of ours ever asks for."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        looser = next((more for prefix, more in LOOSER.items() if request.path_info.startswith(prefix)), None)
        if looser and parts.replace is None:
            parts.replace = dict(looser)
        return parts

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        return super().process_response(request, response)
