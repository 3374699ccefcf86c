"""3D models: what is in them, what is refused, and the picture made of them."""

from __future__ import annotations

import base64
import json

import made_files as made
import pytest

from generations import meshes, probing
from generations.sniffing import BadFile

MAKERS = {
    "glb": (made.glb, "model/gltf-binary"),
    "obj": (made.obj, "model/obj"),
    "stl": (made.stl, "model/stl"),
    "stl as text": (lambda path: made.stl(path, binary=False), "model/stl"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_cube_is_twelve_triangles_in_every_format(tmp_path, name):
    make, mime = MAKERS[name]
    found = probing.look(make(tmp_path / "cube"), "model3d")
    assert (found.kind, found.mime) == ("model3d", mime)
    assert found.facts["triangles"] == 12


def test_a_glb_tells_vertices_and_materials(tmp_path):
    assert probing.look(made.glb(tmp_path / "x")).facts == {"vertices": 8, "triangles": 12, "meshes": 1, "materials": 1}


def test_gltf_with_everything_inside_is_kept(tmp_path):
    document, binary = made.cube_document()
    document["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    (tmp_path / "x.gltf").write_text(json.dumps(document))
    found = probing.look(tmp_path / "x.gltf", "model3d")
    assert (found.mime, found.facts["vertices"]) == ("model/gltf+json", 8)
    assert meshes.poster(tmp_path / "x.gltf", found.mime) is not None


@pytest.mark.parametrize("address", ["cube.bin", "https://example.org/cube.bin", "file:///etc/passwd", ""])
def test_references_to_other_files_are_refused(tmp_path, address):
    path = made.glb(tmp_path / "x", images=[{"uri": address}])
    with pytest.raises(BadFile, match="refers to other files"):
        probing.look(path, "model3d")


@pytest.mark.parametrize("cut", [10, 25, 200])
def test_a_glb_that_was_cut_off_is_refused(tmp_path, cut):
    path = made.glb(tmp_path / "x")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadFile):
        probing.look(path, "model3d")


def test_numbers_that_lead_out_of_the_file_are_refused(tmp_path):
    document, _ = made.cube_document()
    document["accessors"][0]["count"] = 10**9
    path = made.glb(tmp_path / "x", accessors=document["accessors"])
    with pytest.raises(BadFile, match="damaged"):
        meshes.poster(path, "model/gltf-binary")


def test_a_node_inside_itself_ends(tmp_path):
    path = made.glb(tmp_path / "x", nodes=[{"mesh": 0, "children": [0]}])
    assert meshes.poster(path, "model/gltf-binary") is not None


@pytest.mark.parametrize("name", MAKERS)
def test_the_poster_shows_the_model_on_nothing(tmp_path, name):
    make, mime = MAKERS[name]
    poster = meshes.poster(make(tmp_path / "cube"), mime)
    assert poster.size == (512, 512)
    assert poster.getpixel((0, 0))[3] == 0
    assert poster.getpixel((256, 256))[3] == 255
    assert (
        len({color[:3] for _, color in poster.getcolors(1 << 18) if color[3] == 255}) >= 3
    )  # three sides, three shades


def test_the_poster_has_the_colour_of_the_material(tmp_path):
    red, green, blue, _ = meshes.poster(made.glb(tmp_path / "x"), "model/gltf-binary").getpixel((256, 256))
    assert red > 1.5 * green > blue


def test_a_large_model_is_drawn_from_fewer_triangles_without_holes():
    steps = 110

    def corner(x, y):
        return (x / steps, y / steps, 0.0)

    many = [
        triangle
        for x in range(steps)
        for y in range(steps)
        for triangle in (
            (corner(x, y), corner(x + 1, y), corner(x + 1, y + 1), meshes.GREY),
            (corner(x, y), corner(x + 1, y + 1), corner(x, y + 1), meshes.GREY),
        )
    ]
    fewer = meshes._fewer(many)
    assert 1000 < len(fewer) <= meshes.MOST_DRAWN < len(many)
    poster = meshes.draw(fewer)
    inside = [poster.getpixel((x, y))[3] for x in range(180, 330, 10) for y in range(180, 330, 10)]
    assert min(inside) == 255


def test_a_model_without_triangles_has_no_poster(tmp_path):
    path = tmp_path / "x.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\n")
    assert meshes.poster(path, "model/obj") is None
