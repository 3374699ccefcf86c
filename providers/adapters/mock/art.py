"""Drawing: an abstract picture from chance, the prompt set on it, and the small MOCK label.

Everything is drawn by Pillow from a seeded generator, so the same prompt and seed give the same pixels.
"""

from __future__ import annotations

import colorsys
import random
from itertools import pairwise

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageStat

DRAWN_AT = 1440  # long side shapes are drawn at; scaled from there, which smooths their edges
Colour = tuple[int, int, int]
Size = tuple[int, int]


def compose(*, size: Size, dice: random.Random) -> Image.Image:
    """A gradient sky, a sun, drifting discs and ridges in one palette."""
    scale = DRAWN_AT / max(size)
    canvas = (max(8, round(size[0] * scale)), max(8, round(size[1] * scale)))
    colours = palette(dice)
    picture = _sky(canvas, colours, dice)
    layer = Image.new("RGBA", canvas)
    draw = ImageDraw.Draw(layer)
    _sun(draw, canvas, colours, dice)
    _discs(draw, canvas, colours, dice)
    _ridges(draw, canvas, colours, dice)
    picture.paste(layer, (0, 0), layer)
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


def palette(dice: random.Random) -> list[Colour]:
    """Five colours round one hue: deep, middle, accent, light, pale."""
    hue, step = dice.random(), dice.choice((0.06, 0.09, 0.42, 0.55))
    tones = ((0.0, 0.75, 0.28), (0.03, 0.62, 0.62), (step, 0.72, 0.92), (step + 0.05, 0.35, 0.97), (0.08, 0.12, 0.98))
    made = (colorsys.hsv_to_rgb((hue + shift) % 1, strength, value) for shift, strength, value in tones)
    return [(round(red * 255), round(green * 255), round(blue * 255)) for red, green, blue in made]


def _sky(size: Size, colours: list[Colour], dice: random.Random) -> Image.Image:
    ramp = Image.linear_gradient("L").rotate(dice.uniform(-18, 18), Image.Resampling.BICUBIC, expand=False)
    ramp = ramp.crop((40, 40, 216, 216)).resize(size, Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", size, colours[3]), Image.new("RGB", size, colours[1]), ramp)


def _sun(draw: ImageDraw.ImageDraw, size: Size, colours: list[Colour], dice: random.Random) -> None:
    x, y = dice.uniform(0.2, 0.8) * size[0], dice.uniform(0.18, 0.5) * size[1]
    radius = dice.uniform(0.1, 0.2) * min(size)
    for ring in range(6, -1, -1):
        reach = radius * (1 + ring * 0.22)
        draw.ellipse(
            (x - reach, y - reach, x + reach, y + reach), fill=(*colours[4], 26 + 15 * (6 - ring) if ring else 240)
        )


def _discs(draw: ImageDraw.ImageDraw, size: Size, colours: list[Colour], dice: random.Random) -> None:
    for _ in range(dice.randint(6, 11)):
        x, y = dice.random() * size[0], dice.random() * size[1]
        reach = dice.uniform(0.02, 0.16) * min(size)
        box = (x - reach, y - reach, x + reach, y + reach)
        if dice.random() < 0.4:
            draw.ellipse(box, outline=(*dice.choice(colours), 150), width=max(2, round(reach / 12)))
        else:
            draw.ellipse(box, fill=(*dice.choice(colours[1:]), dice.randint(50, 120)))


def _ridges(draw: ImageDraw.ImageDraw, size: Size, colours: list[Colour], dice: random.Random) -> None:
    for layer in range(3):
        base, swing = size[1] * (0.62 + 0.13 * layer), size[1] * 0.11
        points = [(size[0] * step / 7, base + dice.uniform(-swing, swing)) for step in range(8)]
        tone = _mix(colours[1], colours[0], (layer + 1) / 3)
        draw.polygon([(0, size[1]), *_smooth(points), (size[0], size[1])], fill=(*tone, 205))


def _smooth(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Corners cut three times (Chaikin): hills, not saw teeth."""
    for _ in range(3):
        pairs = list(pairwise(points))
        cut = [(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for a, b in pairs for t in (0.25, 0.75)]
        points = [points[0], *cut, points[-1]]
    return points


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def overlay(*, size: Size, text: str) -> Image.Image:
    """A clear RGBA sheet with the prompt on a dark panel below and MOCK in the corner."""
    sheet = Image.new("RGBA", size)
    draw = ImageDraw.Draw(sheet)
    if text and min(size) >= 64:
        _panel(draw, size, text)
    _label(draw, size)
    return sheet


def _panel(draw: ImageDraw.ImageDraw, size: Size, text: str) -> None:
    edge = max(4, round(min(size) * 0.04))
    font, lines = _fit(text, size[0] - 4 * edge, size[1] * 0.42, max(9, round(min(size) * 0.062)))
    step = round(font.size * 1.28)
    top = size[1] - edge - len(lines) * step - edge
    box = (edge, top, size[0] - edge, size[1] - edge)
    draw.rounded_rectangle(box, radius=edge // 2, fill=(12, 14, 20, 178))
    for row, line in enumerate(lines):
        draw.text((2 * edge, top + edge // 2 + row * step), line, font=font, fill=(255, 255, 255, 255))


def _fit(text: str, width: float, height: float, most: int) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """The largest type at which the wrapped text fits; the smallest cuts it with an ellipsis."""
    for points in range(most, 8, -max(1, most // 10)):
        font = _font(points)
        lines = _wrap(text, font, width)
        if len(lines) * points * 1.28 <= height:
            return font, lines
    font = _font(max(8, most // 3))
    lines = _wrap(text, font, width)
    room = max(1, int(height / (font.size * 1.28)))
    return font, lines if len(lines) <= room else [*lines[: room - 1], lines[room - 1][:-1] + "…"]


def _font(points: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(points)  # type: ignore[return-value]  # always FreeType in our wheels


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    lines: list[str] = [""]
    for word in text[:1200].split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [part for line in lines for part in _cut(line, font, width)]


def _cut(line: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """A word wider than the panel is broken where it must be."""
    if font.getlength(line) <= width:
        return [line]
    room = max(1, int(len(line) * width / font.getlength(line)) - 1)
    return [line[start : start + room] for start in range(0, len(line), room)]


def _label(draw: ImageDraw.ImageDraw, size: Size) -> None:
    points = max(8, round(min(size) * 0.034))
    font, gap = _font(points), max(2, points // 2)
    wide = font.getlength("MOCK")
    right, top = size[0] - 2 * gap, 2 * gap
    box = (right - wide - 2 * gap, top, right, top + points + gap)
    draw.rounded_rectangle(box, radius=gap, fill=(12, 14, 20, 190))
    draw.text(
        (right - gap - wide / 2, top + (points + gap) / 2), "MOCK", font=font, fill=(255, 255, 255, 255), anchor="mm"
    )


def cover(picture: Image.Image, size: Size) -> Image.Image:
    """The picture filling the size, cut where it must be; itself when it fits already."""
    if picture.size == size:
        return picture
    scale = max(size[0] / picture.width, size[1] / picture.height)
    wide, high = size[0] / scale, size[1] / scale
    left, top = (picture.width - wide) / 2, (picture.height - high) / 2
    return picture.resize(size, Image.Resampling.LANCZOS, box=(left, top, left + wide, top + high))


def subject(picture: Image.Image) -> Image.Image:
    """A mask of what differs from the border's colour: white keeps. Nothing found keeps a middle ellipse."""
    small, border = picture.convert("RGB").resize((8, 8), Image.Resampling.BOX), Image.new("L", (8, 8), 255)
    border.paste(0, (1, 1, 7, 7))
    mean = tuple(round(level) for level in ImageStat.Stat(small, border).mean)
    apart = ImageChops.difference(picture.convert("RGB"), Image.new("RGB", picture.size, mean)).convert("L")
    mask = apart.point([min(255, max(0, (level - 24) * 10)) for level in range(256)])
    if 8 < ImageStat.Stat(mask).mean[0] < 247:
        return mask
    middle = Image.new("L", picture.size)
    inset = picture.width // 6, picture.height // 6
    ImageDraw.Draw(middle).ellipse((*inset, picture.width - inset[0], picture.height - inset[1]), fill=255)
    return middle
