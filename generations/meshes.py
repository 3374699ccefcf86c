"""3D models of every kind we keep: what is in them, and a small flat-shaded picture so that each has a face."""

from __future__ import annotations

import math
import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from generations.gltf import GREY, Gltf, Point, Triangle
from generations.sniffing import BadFile

Cell = tuple[int, int, int]
MOST_READ = 1_000_000
MOST_DRAWN = 5_000
_MOST_TEXT = 256 * 2**20
_TURN, _TILT = math.radians(-35), math.radians(24)
_LIGHT = (0.3, 0.6, 0.74)
_SIDE = 512
_FACET = re.compile(rb"vertex\s+(\S+)\s+(\S+)\s+(\S+)")


def facts(path: Path, mime: str) -> dict[str, Any]:
    if mime in ("model/gltf-binary", "model/gltf+json"):
        return Gltf(path, mime).facts()
    if path.stat().st_size > _MOST_TEXT:
        raise BadFile("This 3D model is too large. Use GLB.")
    try:
        return _obj_facts(path) if mime == "model/obj" else {"triangles": sum(1 for _ in _stl(path))}
    except (ValueError, IndexError, struct.error) as error:
        raise BadFile("This 3D model is damaged and cannot be read.") from error


def poster(path: Path, mime: str) -> Image.Image | None:
    """The model from a little above and to the side; None when there is nothing to draw."""
    try:
        found = list(islice(_READERS[mime](path), MOST_READ))
    except (ValueError, LookupError, TypeError, struct.error) as error:
        raise BadFile("This 3D model is damaged and cannot be drawn.") from error
    return draw(_fewer(found)) if found else None


def draw(triangles: list[Triangle]) -> Image.Image | None:
    """Painter's algorithm: far triangles first, twice the size, then made small for smooth edges."""
    seen = [(*(_turned(point) for point in triangle[:3]), triangle[3]) for triangle in triangles]
    xs, ys = zip(*((point[0], point[1]) for triangle in seen for point in triangle[:3]), strict=True)
    extent = max(max(xs) - min(xs), max(ys) - min(ys))
    if not math.isfinite(extent) or not extent:
        return None
    scale = 2 * _SIDE * 0.86 / extent
    middle_x, middle_y = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    canvas = Image.new("RGBA", (2 * _SIDE, 2 * _SIDE))
    pen = ImageDraw.Draw(canvas)
    for a, b, c, colour in sorted(seen, key=lambda triangle: triangle[0][2] + triangle[1][2] + triangle[2][2]):
        shade = _shade(a, b, c)
        corners = [(_SIDE + (x - middle_x) * scale, _SIDE - (y - middle_y) * scale) for x, y, _ in (a, b, c)]
        fill = tuple(int(255 * min(1.0, max(0.0, part * shade)) ** (1 / 2.2)) for part in colour)
        pen.polygon(corners, fill=fill, outline=fill)
    return canvas.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)


def _fewer(triangles: list[Triangle]) -> list[Triangle]:
    """Snap corners to a grid, coarser until few enough triangles are left: a likeness, without holes."""
    for cells in (96, 64, 48, 40, 34, 29, 24, 20, 16, 12):
        if len(triangles) <= MOST_DRAWN:
            break
        triangles = _snapped(triangles, cells)
    return triangles[:MOST_DRAWN]


def _snapped(triangles: list[Triangle], cells: int) -> list[Triangle]:
    """Corners in one cell of the grid become one: their middle."""
    corners = {point for triangle in triangles for point in triangle[:3]}
    size = max(max(axis) - min(axis) for axis in zip(*corners, strict=True)) / cells or 1.0
    crowds: dict[Cell, list[Point]] = defaultdict(list)
    for point in corners:
        crowds[_cell(point, size)].append(point)
    middles = {cell: _middle(crowd) for cell, crowd in crowds.items()}
    kept: dict[frozenset[Cell], Triangle] = {}
    for a, b, c, colour in triangles:
        place = frozenset((_cell(a, size), _cell(b, size), _cell(c, size)))
        if len(place) == 3 and place not in kept:
            kept[place] = (*(middles[_cell(point, size)] for point in (a, b, c)), colour)  # type: ignore[assignment]
    return list(kept.values())


def _cell(point: Point, size: float) -> Cell:
    return round(point[0] / size), round(point[1] / size), round(point[2] / size)


def _middle(points: list[Point]) -> Point:
    return tuple(math.fsum(axis) / len(points) for axis in zip(*points, strict=True))  # type: ignore[return-value]


def _turned(point: Point) -> Point:
    x, y, z = point
    x, z = x * math.cos(_TURN) + z * math.sin(_TURN), z * math.cos(_TURN) - x * math.sin(_TURN)
    return x, y * math.cos(_TILT) - z * math.sin(_TILT), y * math.sin(_TILT) + z * math.cos(_TILT)


def _shade(a: Point, b: Point, c: Point) -> float:
    """Both sides are lit: many models do not agree with themselves which side is out."""
    u = [q - p for p, q in zip(a, b, strict=True)]
    v = [q - p for p, q in zip(a, c, strict=True)]
    normal = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])
    length = math.hypot(*normal) or 1.0
    towards = 1 if normal[2] >= 0 else -1
    light = sum(part * lamp for part, lamp in zip(normal, _LIGHT, strict=True)) * towards / length
    return 0.25 + 0.75 * max(0.0, light)


def _obj_facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        vertices = sum(1 for line in file if line.startswith(b"v "))
    return {"vertices": vertices, "triangles": sum(1 for _ in _obj(path))}


def _obj(path: Path) -> Iterator[Triangle]:
    """Faces as fans of triangles; materials lie in other files and are not looked for."""
    points: list[Point] = []
    with path.open("rb") as file:
        for line in file:
            words = line.split()
            if words[:1] == [b"v"]:
                points.append((float(words[1]), float(words[2]), float(words[3])))
            elif words[:1] == [b"f"]:
                corners = [points[_place(word, len(points))] for word in words[1:]]
                for second, third in pairwise(corners[1:]):
                    yield corners[0], second, third, GREY


def _place(word: bytes, count: int) -> int:
    number = int(word.split(b"/")[0])
    return number - 1 if number > 0 else count + number


def _stl(path: Path) -> Iterator[Triangle]:
    """Both forms; this format has z upwards, ours has y."""
    data = path.read_bytes()
    if len(data) >= 84 and len(data) == 84 + 50 * struct.unpack_from("<I", data, 80)[0]:
        rows = (row[3:12] for row in struct.iter_unpack("<12fH", data[84:]))
    else:
        numbers = [float(word) for found in _FACET.finditer(data) for word in found.groups()]
        rows = (tuple(numbers[at : at + 9]) for at in range(0, len(numbers) - 8, 9))
    for row in rows:
        a, b, c = ((row[at], row[at + 2], -row[at + 1]) for at in (0, 3, 6))
        yield a, b, c, GREY


_READERS = {
    "model/gltf-binary": lambda path: Gltf(path, "model/gltf-binary").surface(),
    "model/gltf+json": lambda path: Gltf(path, "model/gltf+json").surface(),
    "model/obj": _obj,
    "model/stl": _stl,
}
