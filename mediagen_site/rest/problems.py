"""Every refusal of the programming interface leaves here as a problem document (RFC 9457), unforeseen ones included."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.views import set_rollback

from accounts.errors import Refused
from mediagen_site.current import request_id

logger = logging.getLogger("mediagen.api")
MEDIA_TYPE = "application/problem+json"
PREFIXES = ("/api/", "/v1/", "/callbacks/", "/health/", "/metrics")
# an exception's class -> our code; the status is the class's own
CODES: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.ParseError, "malformed"),
    (exceptions.UnsupportedMediaType, "unsupported_media_type"),
    (exceptions.NotAuthenticated, "not_authenticated"),
    (exceptions.NotFound, "not_found"),
    (exceptions.MethodNotAllowed, "method_not_allowed"),
    (exceptions.NotAcceptable, "not_acceptable"),
    (exceptions.Throttled, "rate_limited"),
)
DETAILS = {
    "not_authenticated": "Send an API key as `Authorization: Bearer mg_…`, or sign in.",
    "not_found": "There is nothing here that you may see.",
}


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    fields: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    body = {
        "type": f"urn:mediagen:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "fields": dict(fields or {}),
        "request_id": request_id.get(),
    }
    return JsonResponse(body, status=status, content_type=MEDIA_TYPE, headers=dict(headers or {}))


def handler(error: Exception, context: Mapping[str, Any]) -> HttpResponseBase:
    """What the framework calls for whatever a view raised."""
    set_rollback()
    if isinstance(error, Refused):
        return problem(error.status, error.code, error.detail, fields=error.fields, headers=error.headers)
    error = _ours(error)
    if isinstance(error, exceptions.ValidationError):
        fields = flatten(error.detail)
        name, messages = next(iter(fields.items()), ("body", ["Not valid."]))
        return problem(422, "invalid_fields", f"{name}: {messages[0]}", fields=fields)
    if isinstance(error, exceptions.APIException):
        return _known(error)
    return _unforeseen(error, context.get("request"))


def _ours(error: Exception) -> Exception:
    """The plain framework's exceptions as their counterparts."""
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, SuspiciousOperation):
        return exceptions.ParseError(str(error) or None)
    if isinstance(error, DjangoValidationError):
        return exceptions.ValidationError(error.message_dict if hasattr(error, "error_dict") else error.messages)
    return error


def _known(error: exceptions.APIException) -> JsonResponse:
    named = next((code for kind, code in CODES if isinstance(error, kind)), "")
    code = named or str(getattr(error.detail, "code", error.default_code))
    way_in = getattr(error, "auth_header", None)
    headers = {"WWW-Authenticate": str(way_in)} if way_in else {}
    wait = getattr(error, "wait", None)
    if isinstance(error, exceptions.Throttled):
        headers["Retry-After"] = str(max(1, round(wait or 1)))
    return problem(error.status_code, code, DETAILS.get(code) or str(error.detail), headers=headers)


def _unforeseen(error: Exception, request: Any) -> JsonResponse:
    """Logged with its traceback and told to whoever listens for it; the caller learns only where to look."""
    plain = getattr(request, "_request", request)
    logger.error("unforeseen error at %s %s", getattr(plain, "method", ""), getattr(plain, "path", ""), exc_info=error)
    got_request_exception.send(sender=handler, request=plain)
    return server_problem()


def server_problem() -> JsonResponse:
    return problem(500, "internal", "Something went wrong here; it has been logged under this request_id.")


def flatten(detail: Any, name: str = "") -> dict[str, list[str]]:
    """Nested field errors as dotted names."""
    if isinstance(detail, Mapping):
        found: dict[str, list[str]] = {}
        for key, below in detail.items():
            found |= flatten(below, f"{name}.{key}" if name else str(key))
        return found
    if isinstance(detail, list | tuple) and any(isinstance(item, Mapping | list | tuple) for item in detail):
        return flatten({str(place): item for place, item in enumerate(detail) if item}, name)
    return {name or "body": [str(item) for item in (detail if isinstance(detail, list | tuple) else [detail])]}


# -- outside the framework's views ------------------------------------------------------------------------------------
@csrf_exempt
def unknown_path(request: HttpRequest, **rest: Any) -> HttpResponseBase:
    """Any address below /api/ that is none of ours."""
    return problem(404, "not_found", f"There is no {request.path} here. GET /api/schema lists what there is.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if request.path.startswith(PREFIXES):
        return problem(404, "not_found", DETAILS["not_found"])
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    return server_problem() if request.path.startswith(PREFIXES) else defaults.server_error(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if request.path.startswith(PREFIXES):
        return problem(400, "malformed", "This request cannot be read.")
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if request.path.startswith(PREFIXES):
        return problem(403, "permission_denied", str(exception) or "You may not do this.")
    return defaults.permission_denied(request, exception)
