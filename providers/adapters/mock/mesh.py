"""Three-dimensional things: a cube or a ball coloured by the prompt, or a cube wearing the given picture, as GLB.

The writer follows glTF 2.0: one mesh, one buffer, 4-byte aligned chunks, bounds in the position accessor.
"""

from __future__ import annotations

import io
import json
import math
import struct
from pathlib import Path
from typing import Any, NamedTuple

from . import art, image
from .image import MARK
from .wish import Wish

Vector = tuple[float, float, float]
FLOAT, UNSIGNED = 5126, 5125
SIDES: tuple[tuple[Vector, Vector], ...] = (
    ((0, 0, 1), (1, 0, 0)),
    ((0, 0, -1), (-1, 0, 0)),
    ((1, 0, 0), (0, 0, -1)),
    ((-1, 0, 0), (0, 0, 1)),
    ((0, 1, 0), (1, 0, 0)),
    ((0, -1, 0), (1, 0, 0)),
)


class Mesh(NamedTuple):
    points: list[Vector]
    normals: list[Vector]
    places: list[tuple[float, float]]  # of each point on the picture
    faces: list[tuple[int, int, int]]


def make(wish: Wish, room: Path) -> tuple[Path, dict[str, Any]]:
    dice = wish.dice("mesh")
    picture = image.opened(wish.file("image", "first_frame", "front", "reference", kind="image"))
    mesh = cube() if picture or dice.random() < 0.5 else ball(levels=2)
    skin = art.cover((picture or art.compose(size=(512, 512), dice=wish.dice("art"))).convert("RGB"), (512, 512))
    bytes_of_skin = io.BytesIO()
    skin.save(bytes_of_skin, "PNG", compress_level=6)
    path = room / f"{wish.index}.glb"
    path.write_bytes(glb(mesh, bytes_of_skin.getvalue(), name=wish.prompt[:80] or "mock"))
    return path, facts(mesh)


def facts(mesh: Mesh) -> dict[str, Any]:
    low, high = bounds(mesh.points)
    return {"vertices": len(mesh.points), "triangles": len(mesh.faces), "bounds": {"min": list(low), "max": list(high)}}


def bounds(points: list[Vector]) -> tuple[Vector, Vector]:
    axes = list(zip(*points, strict=True))
    low, high = [min(axis) for axis in axes], [max(axis) for axis in axes]
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def cube() -> Mesh:
    made = Mesh([], [], [], [])
    for out, right in SIDES:
        up = _cross(out, right)
        start = len(made.points)
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            made.points.append(_sum(out, right, up, x, y))
            made.normals.append(out)
            made.places.append(((x + 1) / 2, (1 - y) / 2))
        made.faces.extend([(start, start + 1, start + 2), (start, start + 2, start + 3)])
    return made


def _sum(out: Vector, right: Vector, up: Vector, x: float, y: float) -> Vector:
    a, b, c = (0.5 * (out[axis] + right[axis] * x + up[axis] * y) for axis in range(3))
    return a, b, c


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def ball(*, levels: int) -> Mesh:
    """An octahedron whose triangles are cut in four and pushed out onto the sphere."""
    x, y, z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    corners = [(_turned(x, a), _turned(y, b), _turned(z, c)) for a in (1, -1) for b in (1, -1) for c in (1, -1)]
    outward = [one if _faces_out(one) else (one[0], one[2], one[1]) for one in corners]
    triangles = outward
    for _ in range(levels + 1):
        triangles = [small for big in triangles for small in _quartered(big)]
    index: dict[Vector, int] = {}
    faces = [(_kept(index, a), _kept(index, b), _kept(index, c)) for a, b, c in triangles]
    points = [(px / 2, py / 2, pz / 2) for px, py, pz in index]
    return Mesh(points, list(index), [_wrapped(point) for point in index], faces)


def _turned(axis: Vector, sign: int) -> Vector:
    return axis[0] * sign, axis[1] * sign, axis[2] * sign


def _faces_out(triangle: tuple[Vector, Vector, Vector]) -> bool:
    a, b, c = triangle
    normal = _cross((b[0] - a[0], b[1] - a[1], b[2] - a[2]), (c[0] - a[0], c[1] - a[1], c[2] - a[2]))
    return sum(normal[axis] * a[axis] for axis in range(3)) > 0


def _quartered(triangle: tuple[Vector, Vector, Vector]) -> list[tuple[Vector, Vector, Vector]]:
    a, b, c = triangle
    ab, bc, ca = _middle(a, b), _middle(b, c), _middle(c, a)
    return [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]


def _middle(a: Vector, b: Vector) -> Vector:
    x, y, z = (one + other for one, other in zip(a, b, strict=True))
    long = math.sqrt(x * x + y * y + z * z)
    return round(x / long, 6) + 0.0, round(y / long, 6) + 0.0, round(z / long, 6) + 0.0


def _kept(index: dict[Vector, int], point: Vector) -> int:
    return index.setdefault(point, len(index))


def _wrapped(point: Vector) -> tuple[float, float]:
    return 0.5 + math.atan2(point[2], point[0]) / (2 * math.pi), 0.5 - math.asin(point[1]) / math.pi


def glb(mesh: Mesh, skin: bytes, *, name: str) -> bytes:
    low, high = bounds(mesh.points)
    parts = [
        struct.pack(f"<{len(mesh.points) * 3}f", *(value for point in mesh.points for value in point)),
        struct.pack(f"<{len(mesh.normals) * 3}f", *(value for normal in mesh.normals for value in normal)),
        struct.pack(f"<{len(mesh.places) * 2}f", *(value for place in mesh.places for value in place)),
        struct.pack(f"<{len(mesh.faces) * 3}I", *(corner for face in mesh.faces for corner in face)),
        skin,
    ]
    views, whole = _laid(parts)
    count = len(mesh.points)
    head = {
        "asset": {"version": "2.0", "generator": "Mediagen", "copyright": MARK, "extras": {"mocked": True}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name}],
        "meshes": [{"primitives": [{"attributes": _ATTRIBUTES, "indices": 3, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0.1}}],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 4, "mimeType": "image/png"}],
        "accessors": [
            {"bufferView": 0, "componentType": FLOAT, "count": count, "type": "VEC3", "min": low, "max": high},
            {"bufferView": 1, "componentType": FLOAT, "count": count, "type": "VEC3"},
            {"bufferView": 2, "componentType": FLOAT, "count": count, "type": "VEC2"},
            {"bufferView": 3, "componentType": UNSIGNED, "count": len(mesh.faces) * 3, "type": "SCALAR"},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": len(whole)}],
    }
    return _packed(head, whole)


_ATTRIBUTES = {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}


def _laid(parts: list[bytes]) -> tuple[list[dict[str, int]], bytes]:
    views, whole = [], b""
    for part in parts:
        views.append({"buffer": 0, "byteOffset": len(whole), "byteLength": len(part)})
        whole += part + bytes(-len(part) % 4)
    return views, whole


def _packed(head: dict[str, Any], whole: bytes) -> bytes:
    text = json.dumps(head, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(whole), 0x004E4942) + whole
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks
