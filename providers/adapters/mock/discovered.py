"""What `discover` answers: two models the catalogue does not list, as catalogue rows."""

from __future__ import annotations

from typing import Any

_PROMPT = {"type": "string", "minLength": 1, "maxLength": 4000, "x-widget": "textarea", "x-group": "core", "x-order": 1}
_SEED = {
    "type": "integer",
    "minimum": 0,
    "maximum": 2147483647,
    "x-widget": "seed",
    "x-group": "advanced",
    "x-order": 1,
}
_DURATION = {
    "type": "integer",
    "minimum": 1,
    "maximum": 20,
    "default": 4,
    "x-group": "core",
    "x-order": 10,
    "x-unit": "s",
}

ROWS: tuple[dict[str, Any], ...] = (
    {
        "model": "image-found",
        "operation": "text_to_image",
        "label": "Mock image (discovered)",
        "description": "Found at run time; draws like mock/image.",
        "parameters": {"prompt": _PROMPT, "seed": _SEED},
        "required": ["prompt"],
        "outputs": ["image"],
        "price": {"kind": "per_image", "credit": "studio", "rate": "2"},
        "traits": {"immediate": True},
        "expected_seconds": 1,
    },
    {
        "model": "video-found",
        "operation": "text_to_video",
        "label": "Mock video (discovered)",
        "description": "Found at run time; films like mock/video.",
        "parameters": {"prompt": _PROMPT, "duration": _DURATION, "seed": _SEED},
        "required": ["prompt"],
        "outputs": ["video"],
        "price": {"kind": "per_second", "credit": "studio", "rate": "5"},
        "expected_seconds": 3,
    },
)
