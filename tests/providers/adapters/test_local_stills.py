"""Local's pictures and models: stills out of videos, sizes, formats, waveforms, 3D conversion."""

from __future__ import annotations

import base64
import io
import json
import struct
from array import array
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
from PIL import Image

from providers.adapters.local import limits
from providers.adapters.local.adapter import Adapter
from providers.errors import ProviderError
from providers.types import InputFile, Job, Output

COLOURS = ((220, 30, 30), (30, 200, 60), (30, 60, 220), (230, 220, 40))


def run(room: Path, operation: str, path: Path, kind: str, **params) -> Output:
    adapter = Adapter(SimpleNamespace(name="Local", statuses={}, credentials=()))
    item = InputFile(role="source", kind=kind, mime="", path=path, name=path.name)
    of = Job(
        reference="r", operation=operation, model=operation, params=params, inputs=(item,), scratch=room / "scratch"
    )
    return adapter.submit(of).outputs[0]


def near(one, other) -> bool:
    return all(abs(a - b) < 14 for a, b in zip(one[:3], other, strict=True))


@pytest.fixture
def film(tmp_path) -> Path:
    """Four seconds at ten pictures a second, each second another colour."""
    with av.open(str(tmp_path / "v.mp4"), "w") as out:
        video = out.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        for index in range(40):
            frame = av.VideoFrame.from_image(Image.new("RGB", (128, 96), COLOURS[index // 10]))
            frame.pts, frame.time_base = index, Fraction(1, 10)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return tmp_path / "v.mp4"


@pytest.fixture
def picture(tmp_path) -> Path:
    half = Image.new("RGBA", (120, 60), (200, 50, 40, 255))
    half.paste((0, 0, 0, 0), (60, 0, 120, 60))
    half.save(tmp_path / "p.png")
    return tmp_path / "p.png"


# -- stills -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("at", "colour", "moment"),
    [(0, 0, 0.0), (0.95, 0, 0.9), (1, 1, 1.0), ("2.55", 2, 2.5), (3.9, 3, 3.9), (4, 3, 3.9), ("last", 3, 3.9)],
)
def test_the_still_is_the_picture_shown_at_that_moment(tmp_path, film, at, colour, moment):
    output = run(tmp_path, "extract_frame", film, "video", at=at)
    still = Image.open(output.file)
    assert (output.kind, still.format, still.size) == ("image", "PNG", (128, 96))
    assert near(still.getpixel((64, 48)), COLOURS[colour])
    assert output.facts["at"] == pytest.approx(moment, abs=0.001)


def test_a_moment_after_the_end_is_refused(tmp_path, film):
    with pytest.raises(ProviderError, match=r"ends at 4\.00 s") as caught:
        run(tmp_path, "extract_frame", film, "video", at=4.5)
    assert caught.value.code == "invalid_input"


@pytest.mark.parametrize(
    ("ending", "name"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP"), ("avif", "AVIF"), ("jpg", "JPEG")]
)
def test_a_picture_is_saved_in_another_format(tmp_path, picture, ending, name):
    output = run(tmp_path, "transcode", picture, "image", format=ending)
    saved = Image.open(output.file)
    assert (saved.format, saved.size) == (name, (120, 60))
    assert near(saved.convert("RGB").getpixel((20, 30)), (200, 50, 40))
    behind = saved.convert("RGBA").getpixel((100, 30))
    assert behind[3] == 0 if name != "JPEG" else near(behind, (255, 255, 255))


@pytest.mark.parametrize(
    ("params", "size", "corner"),
    [
        ({"width": 60}, (60, 30), 255),
        ({"height": 120}, (240, 120), 255),
        ({"width": 60, "height": 60}, (60, 60), 0),
        ({"width": 60, "height": 60, "fit": "cover"}, (60, 60), 255),
        ({"width": 50, "height": 70, "fit": "stretch"}, (50, 70), 255),
    ],
)
def test_a_picture_is_resized_as_asked(tmp_path, picture, params, size, corner):
    resized = Image.open(run(tmp_path, "resize", picture, "image", **params).file)
    assert (resized.size, resized.getpixel((2, 2))[3]) == (size, corner)


def test_a_size_is_needed_and_bounded(tmp_path, picture):
    for params, code in (
        ({}, "invalid_input"),
        ({"width": -4}, "invalid_input"),
        ({"width": 20_000}, "input_unusable"),
    ):
        with pytest.raises(ProviderError) as caught:
            run(tmp_path, "resize", picture, "image", **params)
        assert caught.value.code == code


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, picture, monkeypatch):
    monkeypatch.setitem(limits.LIMITS, "max_image_pixels", 1000)
    with pytest.raises(ProviderError, match="120 x 60") as caught:
        run(tmp_path, "transcode", picture, "image", format="png")
    assert caught.value.code == "input_unusable"


def test_a_decompression_bomb_and_a_broken_picture_are_unusable(tmp_path, picture, monkeypatch):
    (tmp_path / "half.png").write_bytes(picture.read_bytes()[:60])
    (tmp_path / "none.png").write_bytes(b"<html>")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for path in (picture, tmp_path / "half.png", tmp_path / "none.png"):
        with pytest.raises(ProviderError) as caught:
            run(tmp_path, "transcode", path, "image", format="png")
        assert caught.value.code == "input_unusable"


def test_a_waveform_is_high_where_the_sound_is_loud(tmp_path):
    level = [0] * 24_000 + [30_000, -30_000] * 12_000
    samples = array("h", level)
    with av.open(str(tmp_path / "a.wav"), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=48_000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples))
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    output = run(tmp_path, "waveform", tmp_path / "a.wav", "audio", width=200, height=80, color="#ff0000")
    drawn = Image.open(output.file)
    assert (drawn.size, output.facts["seconds"]) == ((200, 80), 1.0)
    assert drawn.getpixel((150, 10)) == (255, 0, 0, 255)
    assert drawn.getpixel((50, 10))[3] == 0 and drawn.getpixel((50, 40))[3] == 255


# -- models -------------------------------------------------------------------------------------------------------------
OBJ = b"# a square and a triangle\nv 0 0 0\nv 2 0 0\nv 2 1 0\nv 0 1 0\nv 0 0 3\nvn 0 0 1\nf 1/1/1 2/2/1 3//1 4\nf -5 -4 -1\n"
BOUNDS = {"min": [0, 0, 0], "max": [2, 1, 3]}


def convert(room: Path, data: bytes, name: str, asked: str) -> Output:
    (room / name).write_bytes(data)
    return run(room, "convert_3d", room / name, "model3d", format=asked)


@pytest.mark.parametrize("first", ["glb", "gltf", "obj", "stl"])
@pytest.mark.parametrize("second", ["glb", "gltf", "obj", "stl"])
def test_every_pair_of_formats_keeps_the_triangles(tmp_path, first, second):
    made = convert(tmp_path, OBJ, "in.obj", first)
    again = convert(tmp_path, made.file.read_bytes(), f"again.{first}", second)
    assert (again.kind, again.file.suffix) == ("model3d", f".{second}")
    assert (again.facts["triangles"], again.facts["vertices"], again.facts["bounds"]) == (3, 5, BOUNDS)


def test_the_stl_is_binary_with_normals(tmp_path):
    data = convert(tmp_path, OBJ, "in.obj", "stl").file.read_bytes()
    assert len(data) == 84 + 3 * 50 and not data.startswith(b"solid")
    assert struct.unpack_from("<3f", data, 84) == (0, 0, 1)


def test_a_text_stl_is_read(tmp_path):
    rows = "".join(f"vertex {x} {y} 0\n" for x, y in ((0, 0), (1, 0), (0, 1)))
    text = f"solid s\nfacet normal 0 0 1\nouter loop\n{rows}endloop\nendfacet\nendsolid s\n"
    assert convert(tmp_path, text.encode(), "in.stl", "obj").facts["triangles"] == 1


def glb_of(head: dict, whole: bytes) -> bytes:
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(whole), b"BIN\0") + whole
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def scene(**node) -> tuple[dict, bytes]:
    """One triangle with short indices, put in the scene by its node below another."""
    whole = struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0) + struct.pack("<3Hxx", 0, 1, 2)
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
        {"bufferView": 1, "componentType": 5123, "count": 3, "type": "SCALAR"},
    ]
    head = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"children": [1], "translation": [10, 0, 0]}, {"mesh": 0, **node}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "material": 0}]}],
        "materials": [{"name": "gold"}],
        "accessors": accessors,
        "bufferViews": [{"buffer": 0, "byteLength": 36}, {"buffer": 0, "byteOffset": 36, "byteLength": 6}],
        "buffers": [{"byteLength": len(whole)}],
    }
    return head, whole


@pytest.mark.parametrize(
    ("node", "low", "high"),
    [
        ({}, [10, 0, 0], [11, 1, 0]),
        ({"scale": [2, 3, 1]}, [10, 0, 0], [12, 3, 0]),
        ({"rotation": [0, 0, 2**-0.5, 2**-0.5]}, [9, 0, 0], [10, 1, 0]),
        ({"matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 5, 0, 1]}, [10, 5, 0], [11, 6, 0]),
    ],
)
def test_nodes_put_their_meshes_where_they_belong(tmp_path, node, low, high):
    bounds = convert(tmp_path, glb_of(*scene(**node)), "in.glb", "obj").facts["bounds"]
    assert bounds["min"] == pytest.approx(low, abs=1e-5) and bounds["max"] == pytest.approx(high, abs=1e-5)


def test_between_glb_and_gltf_everything_is_kept(tmp_path):
    head, whole = scene(scale=[2, 3, 1])
    told = json.loads(convert(tmp_path, glb_of(head, whole), "in.glb", "gltf").file.read_bytes())
    uri = told["buffers"][0].pop("uri")
    assert base64.b64decode(uri.partition(",")[2]) == whole
    assert told == head
    back = convert(tmp_path, (tmp_path / "scratch" / "output.gltf").read_bytes(), "x.gltf", "glb").file.read_bytes()
    size = struct.unpack_from("<I", back, 12)[0]
    assert struct.unpack_from("<4sII", back) == (b"glTF", 2, len(back))
    assert json.loads(back[20 : 20 + size])["materials"] == [{"name": "gold"}]
    assert back.endswith(whole)


@pytest.mark.parametrize(
    ("data", "name", "asked"),
    [(OBJ, "in.obj", "fbx"), (b"Kaydara FBX Binary  \x00", "in.bin", "glb"), (b"; FBX", "in.FBX", "glb")],
)
def test_fbx_is_refused_by_name(tmp_path, data, name, asked):
    with pytest.raises(ProviderError, match="fbx files are not converted") as caught:
        convert(tmp_path, data, name, asked)
    assert caught.value.code == "unsupported"


def broken_models():
    head, whole = scene()
    loop, lost, short, packed = (json.loads(json.dumps(head)) for _ in range(4))
    loop["nodes"][1]["children"] = [0]
    lost["buffers"][0]["uri"] = "other.bin"
    short["accessors"][0]["count"] = 10**9
    packed["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    yield "empty", b""
    yield "noise", b"\x01\x02\x03" * 50
    yield "cut off", glb_of(head, whole)[:100]
    yield "nodes in a ring", glb_of(loop, whole)
    yield "another file needed", json.dumps(lost).encode()
    yield "shorter than it says", glb_of(short, whole)
    yield "compressed", glb_of(packed, whole)
    yield "no triangles", b"v 0 0 0\nv 1 1 1\n"
    yield "points it does not have", b"v 0 0 0\nf 1 2 3\n"
    yield "json of something else", b'{"a": [1]}'


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in broken_models()])
def test_a_broken_model_is_unusable(tmp_path, data):
    with pytest.raises(ProviderError) as caught:
        convert(tmp_path, data, "in.bin", "obj")
    assert caught.value.code == "input_unusable"


def test_a_model_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(limits.LIMITS, "max_mesh_bytes", 10)
    with pytest.raises(ProviderError, match="larger than"):
        convert(tmp_path, OBJ, "in.obj", "glb")


def test_a_picture_turned_by_its_camera_comes_out_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (80, 40)).save(buffer, "JPEG", exif=exif)
    (tmp_path / "p.jpg").write_bytes(buffer.getvalue())
    assert Image.open(run(tmp_path, "transcode", tmp_path / "p.jpg", "image", format="png").file).size == (40, 80)
