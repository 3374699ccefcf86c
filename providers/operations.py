"""The verbs everyone shares; a provider may offer its own in its catalogue but never redefines one of these."""

from __future__ import annotations

from .catalogue_types import InputRole, Operation


def _takes(role: str, *kinds: str, least: int = 1, most: int | None = 1) -> InputRole:
    return InputRole(role=role, kinds=kinds, min=least, max=most, label=role.replace("_", " ").capitalize())


_IMAGE = _takes("image", "image")
_VIDEO = _takes("video", "video")
_AUDIO = _takes("audio", "audio")
_FIRST = _takes("first_frame", "image")
_LAST = _takes("last_frame", "image", least=0)

# name: label, verb phrase, medium it is filed under, input roles, output kinds
_TABLE: dict[str, tuple[str, str, str, tuple[InputRole, ...], tuple[str, ...]]] = {
    "text_to_image": ("Text to image", "draw an image from words", "image", (), ("image",)),
    "image_to_image": (
        "Image to image",
        "make an image from images",
        "image",
        (_takes("image", "image", most=None),),
        ("image",),
    ),
    "inpaint": ("Inpaint", "repaint part of an image", "image", (_IMAGE, _takes("mask", "image")), ("image",)),
    "upscale_image": ("Upscale image", "enlarge an image", "image", (_IMAGE,), ("image",)),
    "remove_background": ("Remove background", "cut a subject out of an image", "image", (_IMAGE,), ("image",)),
    "text_to_video": ("Text to video", "film a video from words", "video", (), ("video",)),
    "image_to_video": ("Image to video", "bring an image to life", "video", (_FIRST, _LAST), ("video",)),
    "video_to_video": ("Video to video", "restyle a video", "video", (_VIDEO,), ("video",)),
    "extend_video": ("Extend video", "continue a video", "video", (_VIDEO,), ("video",)),
    "upscale_video": ("Upscale video", "enlarge a video", "video", (_VIDEO,), ("video",)),
    "lip_sync": (
        "Lip sync",
        "make a face speak",
        "video",
        (_takes("video", "video", "image"), _AUDIO),
        ("video",),
    ),
    "text_to_speech": ("Text to speech", "read words aloud", "audio", (), ("audio",)),
    "text_to_music": ("Text to music", "compose music from words", "audio", (), ("audio",)),
    "text_to_sound": ("Text to sound", "make a sound from words", "audio", (), ("audio",)),
    "speech_to_text": (
        "Speech to text",
        "write down what is said",
        "text",
        (_takes("audio", "audio", "video"),),
        ("text",),
    ),
    "text_to_text": ("Text to text", "write a script or a prompt", "text", (), ("text",)),
    "text_to_3d": ("Text to 3D", "model a thing from words", "model3d", (), ("model3d",)),
    "image_to_3d": (
        "Image to 3D",
        "model a thing from images",
        "model3d",
        (_takes("image", "image", most=None),),
        ("model3d",),
    ),
    "extract_frame": ("Extract frame", "take a still out of a video", "image", (_VIDEO,), ("image",)),
    "concat_video": (
        "Join videos",
        "join videos end to end",
        "video",
        (_takes("video", "video", least=2, most=None),),
        ("video",),
    ),
    "mux_audio": ("Add sound", "put a sound track under a video", "video", (_VIDEO, _AUDIO), ("video",)),
    "transcode": (
        "Transcode",
        "save media in another format",
        "video",
        (_takes("source", "video", "audio", "image"),),
        ("video", "audio", "image"),
    ),
}

OPERATIONS: dict[str, Operation] = {
    name: Operation(name=name, label=label, phrase=phrase, kind=kind, inputs=inputs, outputs=outputs)
    for name, (label, phrase, kind, inputs, outputs) in _TABLE.items()
}
