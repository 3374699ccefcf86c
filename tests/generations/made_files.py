"""Small true files for the tests of the asset store, and a workspace to keep them in."""

from __future__ import annotations

import json
import math
import struct
from array import array
from pathlib import Path

import av
from django.contrib.auth import get_user_model
from django.utils import timezone
from PIL import Image, ImageDraw

from accounts.models import Workspace
from generations.models import Generation
from providers.models import Capability, Provider


def fresh_store(settings, folder: Path) -> None:
    settings.VAR_DIR = folder
    settings.STORAGE_URL = ""
    settings.STORAGES = dict(settings.STORAGES)  # said again, so that the storage is made anew


def someone() -> dict:
    """Keyword arguments for the verbs of the store."""
    user = get_user_model().objects.create_user("someone")
    return {"workspace": Workspace.objects.create(slug="some-space", name="Some space"), "user": user}


def generation(workspace: Workspace) -> Generation:
    provider = Provider.objects.create(slug="nowhere", name="Nowhere")
    capability = Capability.objects.create(
        provider=provider, model="one", operation="text_to_image", output_kind="image", spec={}
    )
    return Generation.objects.create(
        workspace=workspace,
        capability=capability,
        operation="text_to_image",
        output_kind="image",
        created_at=timezone.now(),
    )


def image(path: Path, *, size=(64, 48), mode="RGB", fill="#3366cc", **options) -> Path:
    picture = Image.new(mode, size, fill)
    ImageDraw.Draw(picture).rectangle((2, 2, size[0] // 3, size[1] // 3), fill="#ffcc00")
    picture.save(path, **options)
    return path


def video(path: Path, *, seconds=2.0, size=(64, 48), fps=10, codec="libx264", sound="", colour=(200, 30, 30)) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        audio = container.add_stream(sound, rate=48000, layout="mono") if sound else None
        for number in range(int(seconds * fps)):
            shade = tuple(min(255, part + number) for part in colour)
            frame = av.VideoFrame.from_image(Image.new("RGB", size, shade))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio:
            _tone(container, audio, seconds)
    return path


def audio(path: Path, *, seconds=1.0, codec="pcm_s16le", rate=48000, format=None) -> Path:
    with av.open(str(path), "w", format=format) as container:
        _tone(container, container.add_stream(codec, rate=rate, layout="mono"), seconds)
    return path


def _tone(container, stream, seconds: float) -> None:
    """Silence in the first half, a loud tone in the second."""
    rate = stream.rate
    total = int(seconds * rate)
    samples = array("h", (0 if at < total // 2 else int(24000 * math.sin(at / 20)) for at in range(total)))
    resampler = av.AudioResampler(
        format=stream.format.name, layout="mono", rate=rate, frame_size=stream.frame_size or 1024
    )
    frame = av.AudioFrame(format="s16", layout="mono", samples=total)
    frame.planes[0].update(samples.tobytes() + bytes(frame.planes[0].buffer_size - 2 * total))
    frame.sample_rate, frame.pts = rate, 0
    for part in [*resampler.resample(frame), *resampler.resample(None), None]:
        container.mux(stream.encode(part))


CUBE = [(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)]
SIDES = [0, 1, 3, 0, 3, 2, 4, 6, 7, 4, 7, 5, 0, 4, 5, 0, 5, 1, 2, 3, 7, 2, 7, 6, 0, 2, 6, 0, 6, 4, 1, 5, 7, 1, 7, 3]


def cube_document(**changes) -> tuple[dict, bytes]:
    binary = b"".join(struct.pack("<3f", *corner) for corner in CUBE) + struct.pack(f"<{len(SIDES)}H", *SIDES)
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "rotation": [0, 0.38268, 0, 0.92388], "translation": [5, 0, 0]}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [0.9, 0.2, 0.1, 1]}}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 8, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 36, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 96},
            {"buffer": 0, "byteOffset": 96, "byteLength": 72},
        ],
        "buffers": [{"byteLength": len(binary)}],
    }
    return {**document, **changes}, binary


def glb(path: Path, **changes) -> Path:
    document, binary = cube_document(**changes)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    parts = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(parts)) + parts)
    return path


def obj(path: Path) -> Path:
    lines = [f"v {x} {y} {z}" for x, y, z in CUBE]
    lines += [f"f {a + 1} {b + 1}/1 {c + 1}//1" for a, b, c in zip(SIDES[::3], SIDES[1::3], SIDES[2::3], strict=True)]
    path.write_text("mtllib cube.mtl\n" + "\n".join(lines) + "\n")
    return path


def stl(path: Path, *, binary=True) -> Path:
    faces = [[CUBE[at] for at in SIDES[start : start + 3]] for start in range(0, 36, 3)]
    if binary:
        rows = (struct.pack("<12fH", 0, 0, 0, *[part for corner in face for part in corner], 0) for face in faces)
        path.write_bytes(bytes(80) + struct.pack("<I", len(faces)) + b"".join(rows))
    else:
        rows = ["".join(f"vertex {x} {y} {z}\n" for x, y, z in face) for face in faces]
        path.write_text(
            "solid cube\n" + "".join(f"facet normal 0 0 0\nouter loop\n{row}endloop\nendfacet\n" for row in rows)
        )
    return path
