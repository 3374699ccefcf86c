"""Reads glTF and GLB: how much is in it, that nothing lies outside it, and its triangles in the scene's own space."""

from __future__ import annotations

import base64
import io
import json
import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from generations.sniffing import MAX_JSON, BadFile

Point = tuple[float, float, float]
Colour = tuple[float, float, float]  # linear light, not screen values
Matrix = tuple[float, ...]  # 16 numbers, column by column, as the format has them
Triangle = tuple[Point, Point, Point, Colour]

GREY: Colour = (0.6, 0.6, 0.64)
_IDENTITY: Matrix = (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
_INDEX = {5121: ("B", 1), 5123: ("H", 2), 5125: ("I", 4)}
_DEPTH = 32


class Gltf:
    """One document and its binary parts. Reading it proves that it is whole and refers to nothing else."""

    def __init__(self, path: Path, mime: str) -> None:
        try:
            self.document, self._binary = (
                _split(path) if mime == "model/gltf-binary" else (_json(path.read_bytes()), b"")
            )
            self._refuse_references()
            self.vertices, self.triangles = self._count()
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, struct.error, RecursionError) as error:
            raise BadFile("This 3D model is damaged and cannot be read.") from error

    def facts(self) -> dict[str, Any]:
        sizes = {name: len(self._list(name)) for name in ("meshes", "materials", "animations") if self._list(name)}
        return {"vertices": self.vertices, "triangles": self.triangles, **sizes}

    def surface(self) -> Iterator[Triangle]:
        """Every triangle of the shown scene; shapes that are compressed or of no triangles are passed over."""
        scenes = self._list("scenes")
        roots = scenes[self.document.get("scene", 0)].get("nodes", []) if scenes else range(len(self._list("nodes")))
        for root in roots:
            yield from self._node(root, _IDENTITY, 0)

    def _list(self, name: str) -> list[dict[str, Any]]:
        return self.document.get(name) or []

    def _refuse_references(self) -> None:
        for name in ("buffers", "images"):
            for item in self._list(name):
                address = item.get("uri")
                if address is not None and not address.startswith("data:"):
                    raise BadFile("This 3D model refers to other files. Use one with everything inside (GLB).")

    def _count(self) -> tuple[int, int]:
        vertices = triangles = 0
        for mesh in self._list("meshes"):
            for part in mesh["primitives"]:
                points = self._list("accessors")[part["attributes"]["POSITION"]]["count"]
                corners = self._list("accessors")[part["indices"]]["count"] if "indices" in part else points
                vertices += int(points)
                triangles += {4: corners // 3, 5: max(corners - 2, 0), 6: max(corners - 2, 0)}.get(
                    part.get("mode", 4), 0
                )
        return vertices, triangles

    def _node(self, number: int, outer: Matrix, depth: int) -> Iterator[Triangle]:
        if depth > _DEPTH:  # also where a node is its own ancestor
            return
        node = self._list("nodes")[number]
        matrix = _times(outer, _matrix_of(node))
        if "mesh" in node:
            for part in self._list("meshes")[node["mesh"]]["primitives"]:
                if part.get("mode", 4) == 4:
                    yield from self._part(part, matrix)
        for child in node.get("children", []):
            yield from self._node(child, matrix, depth + 1)

    def _part(self, part: Mapping[str, Any], matrix: Matrix) -> Iterator[Triangle]:
        accessor = self._list("accessors")[part["attributes"]["POSITION"]]
        if "bufferView" not in accessor or accessor["componentType"] != 5126:
            return
        colour = self._colour(part.get("material"))
        points = [_moved(matrix, point) for point in struct.iter_unpack("<3f", self._elements(accessor, 12))]
        corners = self._corners(part, len(points))
        for a, b, c in zip(corners[::3], corners[1::3], corners[2::3], strict=False):
            yield points[a], points[b], points[c], colour

    def _corners(self, part: Mapping[str, Any], count: int) -> tuple[int, ...] | range:
        if "indices" not in part:
            return range(count)
        accessor = self._list("accessors")[part["indices"]]
        code, size = _INDEX[accessor["componentType"]]
        return struct.unpack(f"<{accessor['count']}{code}", self._elements(accessor, size))

    def _elements(self, accessor: Mapping[str, Any], size: int) -> bytes:
        """The accessor's elements close together, whatever lies between them in the buffer."""
        data, stride = self._view(accessor["bufferView"])
        start, count = accessor.get("byteOffset", 0), accessor["count"]
        if stride in (0, size):
            found = bytes(data[start : start + size * count])
        else:
            found = b"".join(bytes(data[at : at + size]) for at in range(start, start + stride * count, stride))
        if len(found) != size * count:
            raise ValueError("an accessor reaches over the end of its buffer")
        return found

    def _view(self, number: int) -> tuple[memoryview, int]:
        view = self._list("bufferViews")[number]
        address = self._list("buffers")[view["buffer"]].get("uri")
        data = memoryview(_data(address) if address else self._binary)
        start = view.get("byteOffset", 0)
        return data[start : start + view["byteLength"]], view.get("byteStride", 0)

    def _colour(self, number: int | None) -> Colour:
        """The material's colour, times the mean of its picture when it has one."""
        if number is None:
            return GREY
        surface = self._list("materials")[number].get("pbrMetallicRoughness", {})
        red, green, blue = surface.get("baseColorFactor", (1, 1, 1, 1))[:3]
        if "baseColorTexture" not in surface:
            return red, green, blue
        try:
            mean = self._mean(self._list("textures")[surface["baseColorTexture"]["index"]]["source"])
        except (KeyError, IndexError, OSError, ValueError, Image.DecompressionBombError):  # a face without its picture
            return GREY
        return red * mean[0], green * mean[1], blue * mean[2]

    def _mean(self, number: int) -> Colour:
        image = self._list("images")[number]
        data = bytes(self._view(image["bufferView"])[0]) if "bufferView" in image else _data(image["uri"])
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP"]) as picture:
            picture.draft("RGB", (64, 64))
            red, green, blue = picture.convert("RGB").resize((1, 1), Image.Resampling.BOX).tobytes()
        return (red / 255) ** 2.2, (green / 255) ** 2.2, (blue / 255) ** 2.2  # colours here are linear


def _split(path: Path) -> tuple[dict[str, Any], bytes]:
    """The JSON and the binary part of a GLB, its lengths checked against the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        magic, version, length = struct.unpack("<4sII", file.read(12))
        if magic != b"glTF" or version != 2 or length > size:
            raise ValueError("not a whole GLB of version 2")
        parts: dict[bytes, bytes] = {}
        while file.tell() + 8 <= length:
            count, kind = struct.unpack("<I4s", file.read(8))
            if file.tell() + count > length:
                raise ValueError("a part reaches over the end")
            parts.setdefault(kind, file.read(count))
    return _json(parts[b"JSON"]), parts.get(b"BIN\0", b"")


def _json(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_JSON:
        raise BadFile("The description inside this 3D model is too large.")
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


def _data(address: str) -> bytes:
    return base64.b64decode(address.partition(",")[2])


def _matrix_of(node: Mapping[str, Any]) -> Matrix:
    if "matrix" in node:
        return tuple(node["matrix"])
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    a, b, c = node.get("scale", (1, 1, 1))
    columns = (
        (a * (1 - 2 * (y * y + z * z)), a * 2 * (x * y + z * w), a * 2 * (x * z - y * w), 0),
        (b * 2 * (x * y - z * w), b * (1 - 2 * (x * x + z * z)), b * 2 * (y * z + x * w), 0),
        (c * 2 * (x * z + y * w), c * 2 * (y * z - x * w), c * (1 - 2 * (x * x + y * y)), 0),
        (*node.get("translation", (0, 0, 0)), 1),
    )
    return tuple(number for column in columns for number in column)


def _times(left: Matrix, right: Matrix) -> Matrix:
    return tuple(
        math.fsum(left[row + 4 * k] * right[k + 4 * column] for k in range(4))
        for column in range(4)
        for row in range(4)
    )


def _moved(m: Matrix, p: Point) -> Point:
    x, y, z = p
    return (
        m[0] * x + m[4] * y + m[8] * z + m[12],
        m[1] * x + m[5] * y + m[9] * z + m[13],
        m[2] * x + m[6] * y + m[10] * z + m[14],
    )
