"""A provider that counts and misbehaves, in a process of its own: `python upstream.py PORT FOLDER`.

The prompt says how: [drop] (takes the job, then hangs up), [delay N] (answers after N s), [refuse], [private] (the result
redirects to a private address), [endless] (a body without end), [huge] (a 60,000 × 60,000 image), [html] (a page named
.mp4), [expire] (the first result address is gone), [slow N] (the job runs N s). GET /stats tells what arrived.
"""

from __future__ import annotations

import json
import re
import struct
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

JOBS: dict[str, dict[str, Any]] = {}
STATS: dict[str, Any] = {"posts": 0, "looks": 0, "finds": 0, "cancels": 0, "bodies": [], "agents": []}
LOCK = threading.Lock()
RUN_SECONDS = 1.0


def word(prompt: str, name: str) -> float | None:
    """[name] → 0, [name 3] → 3, absent → None."""
    found = re.search(rf"\[{name}(?: ([\d.]+))?\]", prompt)
    return float(found.group(1) or 0) if found else None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        return

    def reply(self, data: Any, status: int = 200) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if self.path.endswith("/cancel"):
            STATS["cancels"] += 1
            JOBS[self.path.split("/")[3]]["cancelled"] = True
            self.reply({"ok": True})
            return
        prompt = body.get("input", {}).get("prompt", "")
        if word(prompt, "refuse") is not None:
            self.reply({"error": {"code": "content_policy", "message": "Not this."}}, 400)
            return
        job = self.take(body, prompt)
        if word(prompt, "drop") is not None:
            self.hang_up()
            return
        time.sleep(word(prompt, "delay") or 0)
        self.reply({"id": job["id"], "status": "queued"}, 201)

    def take(self, body: dict[str, Any], prompt: str) -> dict[str, Any]:
        with LOCK:
            STATS["posts"] += 1
            STATS["bodies"].append(body)
            key = f"job-{len(JOBS) + 1}"
            JOBS[key] = {
                "id": key,
                "reference": body.get("reference"),
                "prompt": prompt,
                "at": time.time(),
                "fetches": 0,
            }
            return JOBS[key]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/stats":
            with LOCK:
                by_reference: dict[str, int] = {}
                for job in JOBS.values():
                    by_reference[job["prompt"]] = by_reference.get(job["prompt"], 0) + 1
                self.reply({**STATS, "jobs": by_reference})
        elif url.path == "/v1/me":
            known = self.headers.get("Authorization") == "Bearer throwaway-key"
            self.reply({"email": "me@example.org", "balance": 7} if known else {"error": "who?"}, 200 if known else 401)
        elif url.path == "/v1/jobs":
            STATS["finds"] += 1
            wanted = parse_qs(url.query).get("reference", [""])[0]
            self.reply({"data": [self.state(job) for job in list(JOBS.values()) if job["reference"] == wanted]})
        elif url.path.startswith("/v1/jobs/"):
            STATS["looks"] += 1
            STATS["agents"].append(self.headers.get("User-Agent", ""))
            job = JOBS.get(url.path.split("/")[3])
            self.reply(self.state(job) if job else {"error": {"message": "no such job"}}, 200 if job else 404)
        elif url.path.startswith("/files/"):
            self.file(JOBS[url.path.split("/")[2]])
        else:
            self.reply({"error": "not here"}, 404)

    def state(self, job: dict[str, Any]) -> dict[str, Any]:
        seconds = word(job["prompt"], "slow") or RUN_SECONDS
        done = (time.time() - job["at"]) / seconds
        state = "canceled" if job.get("cancelled") else "done" if done >= 1 else "processing"
        return {
            "id": job["id"],
            "status": state,
            "progress": min(int(done * 100), 100),
            "output": [{"url": self.address(job)}] if state == "done" else [],
        }

    def address(self, job: dict[str, Any]) -> str:
        return f"http://{self.headers.get('Host')}/files/{job['id']}/result.png"

    def file(self, job: dict[str, Any]) -> None:
        job["fetches"] += 1
        for name, answer in FILES.items():
            if word(job["prompt"], name) is not None and answer(self, job):
                return
        self.bytes(PICTURE, "image/png")

    def bytes(self, body: bytes, mime: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", mime)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def private(self, job: dict[str, Any]) -> bool:
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:9/secret")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def endless(self, job: dict[str, Any]) -> bool:
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for _ in range(100_000):
            try:
                self.wfile.write(b"\x89PNG" + b"\0" * 65_532)
            except OSError:
                break
        return True

    def huge(self, job: dict[str, Any]) -> bool:
        self.bytes(HUGE, "image/png")
        return True

    def html(self, job: dict[str, Any]) -> bool:
        self.bytes(b"<!doctype html><title>Sorry</title><p>Not a film.", "video/mp4")
        return True

    def expire(self, job: dict[str, Any]) -> bool:
        if job["fetches"] > 1:
            return False
        self.reply({"error": "expired"}, 410)
        return True

    def drip(self, job: dict[str, Any]) -> bool:
        time.sleep(word(job["prompt"], "drip") or 1)
        return False


FILES = {name: getattr(Handler, name) for name in ("private", "endless", "huge", "html", "expire", "drip")}


def png(width: int, height: int, rows: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress((b"\0" + b"\x40\x80\xc0" * min(width, 4096)) * rows, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


PICTURE = png(64, 48, 48)
HUGE = png(60_000, 60_000, 10)

if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.daemon_threads = True
    Path(sys.argv[2], "port").write_text(str(server.server_address[1]))
    threading.Timer(1500, server.shutdown).start()
    server.serve_forever()
