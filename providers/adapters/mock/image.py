"""Pictures: drawn from the prompt, or really worked on the input the operation names.

Each maker answers one picture; saving adds the mark every mock carries inside the file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from providers.errors import ProviderError

from . import art
from .wish import Wish, choice_of, explicit_size, first, image_size, number, shape_of

MARK = "mocked by Mediagen"
FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
_DESCRIPTION = 0x010E  # EXIF ImageDescription


def make(wish: Wish, room: Path) -> tuple[Path, dict[str, Any]]:
    chosen = choice_of(wish.params, FORMATS, "png")
    picture = MAKERS.get(wish.operation, _drawn)(wish)
    if picture.mode == "RGBA" and chosen == "jpeg":
        chosen = "png"  # a cut-out needs its transparency
    path = room / f"{wish.index}.{chosen}"
    save(picture, path, FORMATS[chosen])
    return path, {"width": picture.width, "height": picture.height}


def save(picture: Image.Image, path: Path, kind: str) -> None:
    if kind == "PNG":
        notes = PngImagePlugin.PngInfo()
        notes.add_text("Comment", MARK)
        picture.save(path, kind, pnginfo=notes, compress_level=4)
        return
    exif = Image.Exif()
    exif[_DESCRIPTION] = MARK
    rest: dict[str, Any] = {"comment": MARK} if kind == "JPEG" else {"method": 2}
    picture.save(path, kind, quality=88, exif=exif, **rest)


def opened(path: Path | None) -> Image.Image | None:
    """The input as pixels, turned as its camera meant; a broken file is the person's to replace."""
    if path is None:
        return None
    try:
        with Image.open(path) as found:
            turned = ImageOps.exif_transpose(found)
            return turned.convert("RGBA" if "A" in turned.getbands() else "RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise ProviderError(
            "input_unusable", "The input picture cannot be opened. Give a PNG, JPEG or WebP."
        ) from error


def _source(wish: Wish) -> Image.Image | None:
    return opened(wish.file("image", "first_frame", "source", "reference", kind="image"))


def _art(wish: Wish, size: tuple[int, int]) -> Image.Image:
    return art.compose(size=size, dice=wish.dice("art"))


def _drawn(wish: Wish) -> Image.Image:
    size = image_size(wish.params)
    return _signed(_art(wish, size), wish.prompt)


def _signed(picture: Image.Image, text: str) -> Image.Image:
    sheet = art.overlay(size=picture.size, text=text)
    picture.paste(sheet, (0, 0), sheet)
    return picture


def _blended(wish: Wish) -> Image.Image:
    """The input with the art laid over it by `strength`; its own size unless one is asked."""
    source = _source(wish)
    if source is None:
        return _drawn(wish)
    asked = explicit_size(wish.params) or shape_of(wish.params) or first(wish.params, ("resolution", "size"))
    size = image_size(wish.params) if asked else source.size
    strength = number(first(wish.params, ("strength", "denoising_strength", "image_strength")))
    share = min(1.0, max(0.0, 0.5 if strength is None else strength))
    base = art.cover(source.convert("RGB"), size)
    return _signed(Image.blend(base, _art(wish, size), share), wish.prompt)


def _inpainted(wish: Wish) -> Image.Image:
    """Art only where the mask is white: every pixel outside stays as it was, so no label is drawn."""
    source = _source(wish)
    mask = opened(wish.only("mask", "mask_image"))
    if source is None or mask is None:
        return _blended(wish)
    paint = _art(wish, source.size).convert(source.mode)
    return Image.composite(paint, source, mask.convert("L").resize(source.size, Image.Resampling.NEAREST))


def _upscaled(wish: Wish) -> Image.Image:
    source = _source(wish)
    if source is None:
        return _drawn(wish)
    factor = number(first(wish.params, ("scale", "factor", "upscale_factor"))) or 2
    factor = min(factor, 4, 8192 / max(source.size))
    return source.resize((round(source.width * factor), round(source.height * factor)), Image.Resampling.LANCZOS)


def _cut_out(wish: Wish) -> Image.Image:
    source = _source(wish)
    picture = (source or _drawn(wish)).convert("RGB")
    picture.putalpha(art.subject(picture))
    return picture


MAKERS: dict[str, Callable[[Wish], Image.Image]] = {
    "image_to_image": _blended,
    "inpaint": _inpainted,
    "upscale_image": _upscaled,
    "remove_background": _cut_out,
}
