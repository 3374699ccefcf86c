"""What OpenAPI says of all calls alike: the two ways in, the problem document, and which addresses belong to it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from .problems import MEDIA_TYPE

PREFIX = "/api/v1/"
TEXT = {"type": "string"}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["type", "title", "status", "detail", "code", "fields", "request_id"],
    "properties": {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": {**TEXT, "description": "For people: what is wrong and what to do."},
        "code": {**TEXT, "description": "For programs."},
        "fields": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": TEXT},
            "description": "What is wrong, by field.",
        },
        "request_id": TEXT,
    },
}
ALWAYS = {
    "400": "Malformed",
    "401": "Not signed in",
    "403": "The key lacks the scope",
    "429": "Too many requests; see Retry-After",
}
WITH_BODY = {
    "402": "Not enough credits",
    "409": "Conflict",
    "413": "Too large",
    "415": "Unsupported media type",
    "422": "Fields are wrong",
}
QUERY = {"422": "Fields are wrong"}
FOUND = {"404": "There is nothing here that you may see"}


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "mediagen_site.rest.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "mg_<prefix>_<secret>"}


class BrowserScheme(OpenApiAuthenticationExtension):
    target_class = "mediagen_site.rest.authentication.BrowserAuthentication"
    name = "browser"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


def only_api(endpoints: list[Any], **rest: Any) -> list[Any]:
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(PREFIX)]


def with_problems(result: dict[str, Any], **rest: Any) -> dict[str, Any]:
    """Every call may refuse; which refusals it knows follows from its method and path."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    for path, methods in result.get("paths", {}).items():
        for method, call in methods.items():
            for status, text in _refusals(path, method).items():
                call["responses"].setdefault(status, _response(text))
    return result


def _refusals(path: str, method: str) -> dict[str, str]:
    more = WITH_BODY if method != "get" else QUERY
    return {**ALWAYS, **more, **(FOUND if "{" in path else {})}


def _response(text: str) -> dict[str, Any]:
    return {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
