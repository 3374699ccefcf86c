"""Log lines carry the request's id and never a secret."""

from __future__ import annotations

import json
import logging

import pytest

from mediagen_site.current import request_id
from mediagen_site.logs import Formatter, Redact, redact

KEY = "mg_abcdef1234_" + "x" * 43


@pytest.mark.parametrize(
    "text",
    [
        f"key {KEY} used",
        "Authorization: Bearer abc.def-ghi_jkl",
        "GET https://user:hunter22@host/path",
        "api_key=sk-1234567890",
        '{"access_token": "abc123456789"}',
        "x-goog-api-key: AIzaSomething",
        "/signin/abcDEF123456789_-",
        "/callbacks/acme/abcDEF123456789_-",
        "https://bucket.example/x?Signature=abcdef123456&Expires=1",
        "password='correct horse'",
    ],
)
def test_the_shapes_of_secrets_are_masked(text):
    assert "[redacted]" in redact(text)
    for secret in (
        "x" * 43,
        "abc.def-ghi",
        "hunter22",
        "1234567890",
        "abc123456789",
        "AIza",
        "abcDEF",
        "abcdef123456&",
        "correct",
    ):
        assert secret not in redact(text)


@pytest.mark.parametrize(
    "text", ["generation=1 from=queued to=running", "12 tokens: fine", "the key was refused", "/api/v1/generations/abc"]
)
def test_ordinary_lines_stay_as_they_are(text):
    assert redact(text) == text


def record(message: str, *args: object, **more: object) -> logging.LogRecord:
    return logging.LogRecord("mediagen.test", logging.ERROR, __file__, 1, message, args, more.get("exc_info"))


def test_arguments_and_tracebacks_are_cleaned_too():
    try:
        raise ValueError(f"refused {KEY}")
    except ValueError as error:
        row = record("called with %s", KEY, exc_info=(type(error), error, error.__traceback__))
    assert Redact().filter(row)
    line = Formatter().format(row)
    assert "Traceback" in line
    assert KEY not in line and "mg_abcdef1234_[redacted]" in line


def test_a_line_carries_the_requests_id_as_text_and_as_json():
    token = request_id.set("req-12345678")
    try:
        assert "[req-12345678] hello" in Formatter().format(record("hello"))
        row = json.loads(Formatter(json=True).format(record("hello %s", "you")))
    finally:
        request_id.reset(token)
    assert (row["message"], row["request_id"], row["level"], row["logger"]) == (
        "hello you",
        "req-12345678",
        "error",
        "mediagen.test",
    )
    assert row["time"].endswith("Z")


def test_arguments_that_do_not_fit_do_no_harm():
    row = record("%d of %d", "x")
    assert Redact().filter(row)
    assert "%d of %d" in Formatter().format(row)
