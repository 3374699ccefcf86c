"""3D files as triangles: OBJ and STL read and written, glTF read with its nodes' places and written plain.

Only shapes survive here; glb ↔ gltf keeps everything and never comes this way (see solids.py).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .limits import unusable

Vector = tuple[float, float, float]
Matrix = list[float]  # 4 x 4, column by column, as glTF writes it
IDENTITY: Matrix = [1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0]
TYPES = {5120: ("b", 1), 5121: ("B", 1), 5122: ("h", 2), 5123: ("H", 2), 5125: ("I", 4), 5126: ("f", 4)}
PARTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
DEEP = 64


class Mesh(NamedTuple):
    points: list[Vector]
    faces: list[tuple[int, int, int]]


# -- OBJ and STL --------------------------------------------------------------------------------------------------------
def read_obj(data: bytes) -> Mesh:
    points: list[Vector] = []
    faces: list[tuple[int, int, int]] = []
    for line in data.decode("utf-8", "replace").splitlines():
        words = line.split()
        if words[:1] == ["v"] and len(words) >= 4:
            points.append((float(words[1]), float(words[2]), float(words[3])))
        elif words[:1] == ["f"]:
            corners = [_corner(word, len(points)) for word in words[1:]]
            faces += [(corners[0], corners[at], corners[at + 1]) for at in range(1, len(corners) - 1)]
    return Mesh(points, faces)


def _corner(word: str, known: int) -> int:
    """1 is the first point, -1 the latest; texture and normal after the slash are passed over."""
    index = int(word.split("/")[0])
    return index - 1 if index > 0 else known + index


def write_obj(mesh: Mesh) -> bytes:
    lines = ["# Mediagen"]
    lines += [f"v {x:.6g} {y:.6g} {z:.6g}" for x, y, z in mesh.points]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in mesh.faces]
    return ("\n".join(lines) + "\n").encode()


def read_stl(data: bytes) -> Mesh:
    count = struct.unpack_from("<I", data, 80)[0] if len(data) >= 84 else 0
    if len(data) == 84 + 50 * count:
        corners = [
            struct.unpack_from("<3f", data, 84 + 50 * face + 12 * corner)
            for face in range(count)
            for corner in (1, 2, 3)
        ]
    else:
        found = re.findall(rb"vertex\s+(\S+)\s+(\S+)\s+(\S+)", data)
        corners = [(float(x), float(y), float(z)) for x, y, z in found]
    return _joined(corners)


def _joined(corners: Sequence[Vector]) -> Mesh:
    """Equal corners become one point."""
    index: dict[Vector, int] = {}
    order = [index.setdefault((x, y, z), len(index)) for x, y, z in corners]
    return Mesh(list(index), [(order[at], order[at + 1], order[at + 2]) for at in range(0, len(order) - 2, 3)])


def write_stl(mesh: Mesh) -> bytes:
    made = bytearray(b"Mediagen".ljust(80, b" ") + struct.pack("<I", len(mesh.faces)))
    for face in mesh.faces:
        a, b, c = (mesh.points[corner] for corner in face)
        made += struct.pack("<12fH", *_normal(a, b, c), *a, *b, *c, 0)
    return bytes(made)


def _normal(a: Vector, b: Vector, c: Vector) -> Vector:
    u, v = [b[axis] - a[axis] for axis in range(3)], [c[axis] - a[axis] for axis in range(3)]
    x, y, z = u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]
    long = math.sqrt(x * x + y * y + z * z) or 1.0
    return x / long, y / long, z / long


# -- glTF ---------------------------------------------------------------------------------------------------------------
def read_gltf(head: Mapping[str, Any], whole: bytes) -> Mesh:
    """Every triangle of the scene, where its nodes put it."""
    if "KHR_draco_mesh_compression" in head.get("extensionsRequired", ()):
        raise unusable("The model is compressed with Draco, which is not read here. Give an uncompressed one.")
    made = Mesh([], [])
    for index, matrix in _placed(head):
        for part in head["meshes"][index]["primitives"]:
            _add(made, head, whole, part, matrix)
    return made


def _placed(head: Mapping[str, Any]) -> Iterator[tuple[int, Matrix]]:
    scenes, nodes = head.get("scenes", []), head.get("nodes", [])
    roots = scenes[head.get("scene", 0)].get("nodes", []) if scenes else range(len(nodes))
    waiting = [(root, IDENTITY, 0) for root in roots]
    while waiting:
        index, above, depth = waiting.pop()
        if depth > DEEP:
            raise unusable("The model's nodes hold each other. Give a model whose nodes form a tree.")
        matrix = _times(above, _matrix(nodes[index]))
        if "mesh" in nodes[index]:
            yield nodes[index]["mesh"], matrix
        waiting += [(child, matrix, depth + 1) for child in nodes[index].get("children", [])]


def _matrix(node: Mapping[str, Any]) -> Matrix:
    if "matrix" in node:
        return [float(value) for value in node["matrix"]]
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    sx, sy, sz = node.get("scale", (1, 1, 1))
    tx, ty, tz = node.get("translation", (0, 0, 0))
    first = [(1 - 2 * (y * y + z * z)) * sx, 2 * (x * y + z * w) * sx, 2 * (x * z - y * w) * sx, 0]
    second = [2 * (x * y - z * w) * sy, (1 - 2 * (x * x + z * z)) * sy, 2 * (y * z + x * w) * sy, 0]
    third = [2 * (x * z + y * w) * sz, 2 * (y * z - x * w) * sz, (1 - 2 * (x * x + y * y)) * sz, 0]
    return [*first, *second, *third, tx, ty, tz, 1]


def _times(a: Matrix, b: Matrix) -> Matrix:
    return [sum(a[4 * k + row] * b[4 * col + k] for k in range(4)) for col in range(4) for row in range(4)]


def _add(made: Mesh, head: Mapping[str, Any], whole: bytes, part: Mapping[str, Any], matrix: Matrix) -> None:
    if part.get("mode", 4) != 4 or "POSITION" not in part["attributes"]:
        return  # points, lines and strips are no plain triangles
    start, points = len(made.points), accessor(head, whole, part["attributes"]["POSITION"])
    made.points.extend(_moved(point, matrix) for point in points)
    order = (
        [row[0] for row in accessor(head, whole, part["indices"])] if "indices" in part else list(range(len(points)))
    )
    trios = zip(order[::3], order[1::3], order[2::3], strict=False)
    made.faces.extend((int(a) + start, int(b) + start, int(c) + start) for a, b, c in trios)


def _moved(point: Sequence[float], m: Matrix) -> Vector:
    x, y, z = point
    a, b, c = (m[axis] * x + m[4 + axis] * y + m[8 + axis] * z + m[12 + axis] for axis in range(3))
    return a, b, c


def accessor(head: Mapping[str, Any], whole: bytes, index: int) -> list[tuple[float, ...]]:
    found = head["accessors"][index]
    view = head["bufferViews"][found["bufferView"]]
    letter, size = TYPES[found["componentType"]]
    parts = PARTS[found["type"]]
    start, step = view.get("byteOffset", 0) + found.get("byteOffset", 0), view.get("byteStride") or parts * size
    if found["count"] < 0 or start < 0 or start + (found["count"] - 1) * step + parts * size > len(whole):
        raise unusable("The model's data is shorter than it says. Give a file that is whole.")
    return [struct.unpack_from(f"<{parts}{letter}", whole, start + row * step) for row in range(found["count"])]


def write_gltf(mesh: Mesh) -> tuple[dict[str, Any], bytes]:
    low = [min(point[axis] for point in mesh.points) for axis in range(3)]
    high = [max(point[axis] for point in mesh.points) for axis in range(3)]
    points = struct.pack(f"<{len(mesh.points) * 3}f", *(value for point in mesh.points for value in point))
    faces = struct.pack(f"<{len(mesh.faces) * 3}I", *(corner for face in mesh.faces for corner in face))
    views = [
        {"buffer": 0, "byteOffset": 0, "byteLength": len(points), "target": 34962},
        {"buffer": 0, "byteOffset": len(points), "byteLength": len(faces), "target": 34963},
    ]
    head = {
        "asset": {"version": "2.0", "generator": "Mediagen"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": len(mesh.points),
                "type": "VEC3",
                "min": low,
                "max": high,
            },
            {"bufferView": 1, "componentType": 5125, "count": len(mesh.faces) * 3, "type": "SCALAR"},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": len(points) + len(faces)}],
    }
    return head, points + faces
