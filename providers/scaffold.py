"""A new provider folder that passes conformance as it is: the author changes names, paths and recorded answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

CATALOGUE = """\
# yaml-language-server: $schema=../../catalogue.schema.json
slug: {slug}
name: {name}
description: What it makes, in a sentence.
website: https://{host}
docs: https://{host}/docs
kind: remote
version: "1.0"
enabled: true
domains: [{host}]
http:
  base_url: https://api.{host}
  auth: {{header: Authorization, value: "Bearer {{api_key}}"}}
  endpoints:
    submit: {{method: POST, path: /v1/jobs, headers: {{Idempotency-Key: "{{reference}}"}}, id: id, state: status}}
    poll:
      path: /v1/jobs/{{remote_id}}
      state: status
      progress: progress
      progress_scale: 100
      outputs: {{kind: video, url: output.*.url}}
      error: error.message
      error_code: error.code
      usage: {{seconds: usage.seconds}}
credentials:
  - {{name: api_key, label: API key, help: "https://{host}/keys", env: [{variable}_API_KEY]}}
credit_types:
  - {{key: usd, label: US dollars, unit: USD, credits: "100"}}
statuses: {{queued: queued, processing: running, done: succeeded, error: failed, canceled: cancelled}}
errors: # on top of the usual meaning of each HTTP status
  - {{code: content_policy, to: content_rejected}}
capabilities:
  - model: video-1
    operation: text_to_video
    label: Video 1
    parameters:
      prompt: {{type: string, minLength: 1, maxLength: 4000, x-widget: textarea, x-maps-to: prompt}}
      duration: {{type: integer, minimum: 1, maximum: 10, default: 4, x-unit: s, x-maps-to: seconds}}
    required: [prompt]
    constants: {{model: "{{model}}"}}
    price: {{kind: per_second, rate: "0.05"}}
    expected_seconds: 60
"""
ADAPTER = '''\
"""{name}: only what catalogue.yaml cannot say."""

from __future__ import annotations

from providers.declared import Declared


class Adapter(Declared):
    """Write the verbs that need an `if`; providers/adapter.py holds the contract, the catalogue does the rest."""
'''
POSTED = {"method": "POST", "path": "/v1/jobs", "json": {"model": "video-1", "prompt": "a lighthouse", "seconds": 4}}
LOOKED = {"method": "GET", "path": "/v1/jobs/job-1"}
JOB = {"model": "video-1", "operation": "text_to_video", "params": {"prompt": "a lighthouse"}}
HANDLE = {"model": "video-1", "operation": "text_to_video", "remote_id": "job-1"}
RESULT = "https://files.example/job-1.mp4"


def write(slug: str, target_dir: Path, *, name: str = "", code: bool = False) -> Path:
    """The new folder; `code` adds an adapter.py. Raises ValueError for a bad slug, FileExistsError for a taken one."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", slug):
        raise ValueError(f"{slug!r} cannot name a provider: use small letters, digits and underscores.")
    folder = target_dir / slug
    (folder / "fixtures").mkdir(parents=True, exist_ok=False)
    words = {
        "slug": slug,
        "name": name or slug.replace("_", " ").capitalize(),
        "host": f"{slug.replace('_', '-')}.example",
    }
    text = CATALOGUE.format(**words, variable=slug.upper())
    (folder / "catalogue.yaml").write_text(text, encoding="utf-8")
    (folder / "__init__.py").write_text(
        f'"""{words["name"]}: what it offers, where its documentation is, when it was checked."""\n'
    )
    if code:
        (folder / "adapter.py").write_text(ADAPTER.format(**words), encoding="utf-8")
    for case, data in _fixtures().items():
        text = json.dumps({"case": case, "assumed": True, **data}, indent=2) + "\n"
        (folder / "fixtures" / f"{case}.json").write_text(text, encoding="utf-8")
    return folder


def _fixtures() -> dict[str, dict[str, Any]]:
    usage, output = {"seconds": "4"}, {"kind": "video", "url": RESULT}
    return {
        "submit": _submit(200, {"id": "job-1", "status": "queued"}, expect={"type": "Accepted", "remote_id": "job-1"}),
        "running": _look({"status": "processing", "progress": 40}, {"state": "running", "progress": 0.4}),
        "succeeded": _look(
            {"status": "done", "output": [{"url": RESULT}], "usage": {"seconds": 4}},
            {"state": "succeeded", "outputs": [output], "usage": usage},
        ),
        "failed": _look(
            {"status": "error", "error": {"code": "oom", "message": "out of memory"}},
            {"state": "failed", "error": {"code": "remote_failed", "vendor_code": "oom"}},
        ),
        "refused": _submit(400, _error("content_policy"), raises={"code": "content_rejected"}),
        "unauthorized": _submit(401, _error("bad_key"), raises={"code": "auth_failed"}),
        "out_of_credits": _submit(402, _error("no_balance"), raises={"code": "out_of_credits"}),
        "rate_limited": _submit(
            429, _error("slow_down"), headers={"retry-after": "7"}, raises={"code": "rate_limited", "retry_after": 7.0}
        ),
        "garbage": _submit(200, None, raises={"code": "unknown_outcome"}),
    }


def _error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": f"It said {code}."}}


def _submit(status: int, body: Any, *, headers: dict[str, str] | None = None, **ends: Any) -> dict[str, Any]:
    content = {"text": "<html>maintenance</html>"} if body is None else {"json": body}
    reply = {"status": status, **({"headers": headers} if headers else {}), **content}
    return {"verb": "submit", "job": JOB, "exchanges": [{"request": POSTED, "reply": reply}], **ends}


def _look(body: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    exchange = {"request": LOOKED, "reply": {"status": 200, "json": body}}
    return {"verb": "poll", "handle": HANDLE, "exchanges": [exchange], "expect": {"type": "Status", **status}}
