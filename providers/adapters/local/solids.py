"""Converting 3D files: glb ↔ gltf repacked whole, every other pair by way of plain triangles.

What a file is, its first bytes say; formats we do not read or write are refused by name.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from providers.errors import ProviderError
from providers.types import Output

from . import limits, triangles
from .triangles import Mesh
from .work import Work

MAGIC, JSON_CHUNK, BIN_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
FORMATS = ("glb", "gltf", "obj", "stl")
EMBEDDED = "data:application/octet-stream;base64,"


def convert_3d(work: Work) -> Output:
    asked, source = str(work.params.get("format") or "glb").lower(), work.file("model", "source")
    if asked not in FORMATS:
        raise _unknown(asked)
    path = Path(str(source.path))
    if path.stat().st_size > limits.LIMITS["max_mesh_bytes"]:
        raise limits.unusable("The model is larger than 64 MB. Give a smaller one.")
    data = path.read_bytes()
    given = sniff(data, source.name or path.name)
    try:
        made, mesh = convert(data, given, asked)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, struct.error) as error:
        raise limits.unusable(f"The {given} file cannot be read. Give one that is whole.") from error
    target = work.result(asked)
    target.write_bytes(made)
    return work.output("model3d", target, **facts(mesh))


def sniff(data: bytes, name: str) -> str:
    if data.startswith(b"glTF"):
        return "glb"
    if data.startswith(b"Kaydara FBX") or name.lower().endswith(".fbx"):
        raise _unknown("fbx")
    start = data[:4096].lstrip()
    if start.startswith(b"{"):
        return "gltf"
    count = struct.unpack_from("<I", data, 80)[0] if len(data) >= 84 else -1
    if len(data) == 84 + 50 * count or (start.startswith(b"solid") and b"facet" in data):
        return "stl"
    if any(line.startswith((b"v ", b"f ", b"vn ")) for line in data.splitlines()):
        return "obj"
    raise limits.unusable(f"This is no 3D file we read. Give one of {', '.join(FORMATS)}.")


def convert(data: bytes, given: str, asked: str) -> tuple[bytes, Mesh]:
    """The new file, and its triangles for the facts."""
    if given in PACKED:
        head, whole = PACKED[given](data)
        mesh = _sound(triangles.read_gltf(head, whole))
        made = _packed(head, whole, asked) if asked in PACKED else PLAIN_OUT[asked](mesh)
        return made, mesh
    mesh = _sound(PLAIN_IN[given](data))
    made = _packed(*triangles.write_gltf(mesh), asked) if asked in PACKED else PLAIN_OUT[asked](mesh)
    return made, mesh


def _sound(mesh: Mesh) -> Mesh:
    if not mesh.faces:
        raise limits.unusable("The model holds no triangles. Give one with a surface.")
    if max(map(max, mesh.faces)) >= len(mesh.points) or min(map(min, mesh.faces)) < 0:
        raise limits.unusable("The model's triangles name points it does not have. Give a file that is whole.")
    return mesh


def facts(mesh: Mesh) -> dict[str, Any]:
    axes = list(zip(*mesh.points, strict=True))
    bounds = {"min": [round(min(axis), 6) for axis in axes], "max": [round(max(axis), 6) for axis in axes]}
    return {"vertices": len(mesh.points), "triangles": len(mesh.faces), "bounds": bounds}


def read_glb(data: bytes) -> tuple[dict[str, Any], bytes]:
    magic, version, _ = struct.unpack_from("<III", data)
    if magic != MAGIC or version != 2:
        raise limits.unusable("Only GLB version 2 is read.")
    chunks: dict[int, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        size, kind = struct.unpack_from("<II", data, at)
        chunks.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    head = json.loads(chunks[JSON_CHUNK])
    return head, chunks.get(BIN_CHUNK) or _embedded(head)


def read_gltf(data: bytes) -> tuple[dict[str, Any], bytes]:
    head = json.loads(data)
    return head, _embedded(head)


def _embedded(head: Mapping[str, Any]) -> bytes:
    buffers = head.get("buffers", [])
    if len(buffers) != 1 or not str(buffers[0].get("uri", "")).startswith("data:"):
        raise limits.unusable("The glTF file needs other files. Give one with a single embedded buffer, or a GLB.")
    return base64.b64decode(buffers[0]["uri"].partition(",")[2])


def _packed(head: Mapping[str, Any], whole: bytes, asked: str) -> bytes:
    buffer = {**head["buffers"][0], "byteLength": len(whole)}
    buffer.pop("uri", None)
    if asked == "gltf":
        buffer["uri"] = EMBEDDED + base64.b64encode(whole).decode()
        return json.dumps({**head, "buffers": [buffer]}, separators=(",", ":")).encode()
    text = json.dumps({**head, "buffers": [buffer]}, separators=(",", ":")).encode()
    text, whole = text + b" " * (-len(text) % 4), whole + bytes(-len(whole) % 4)
    body = struct.pack("<II", len(text), JSON_CHUNK) + text + struct.pack("<II", len(whole), BIN_CHUNK) + whole
    return struct.pack("<III", MAGIC, 2, 12 + len(body)) + body


def _unknown(name: str) -> ProviderError:
    return ProviderError(
        "unsupported", f"{name} files are not converted here. Use {', '.join(FORMATS)}.", charged=False
    )


PACKED: dict[str, Callable[[bytes], tuple[dict[str, Any], bytes]]] = {"glb": read_glb, "gltf": read_gltf}
PLAIN_IN: dict[str, Callable[[bytes], Mesh]] = {"obj": triangles.read_obj, "stl": triangles.read_stl}
PLAIN_OUT: dict[str, Callable[[Mesh], bytes]] = {"obj": triangles.write_obj, "stl": triangles.write_stl}
