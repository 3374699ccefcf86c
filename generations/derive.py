"""What a kept file shows before it is opened: thumbnail, poster, waveform, colour. Made after success, repeatable."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from PIL import Image

from generations import assets, media, meshes
from generations.files import scratch
from generations.models import Asset, Blob

logger = logging.getLogger("mediagen.derive")
MAX_TRIES = 3
Face = tuple[Image.Image | None, dict[str, Any]]


def due(limit: int = 50) -> list[UUID]:
    """Assets without a face yet, oldest first; those that failed too often are left in peace."""
    rows = Asset.objects.filter(derived_at=None, deleted_at=None, derive_tries__lt=MAX_TRIES)
    return list(rows.order_by("created_at").values_list("pk", flat=True)[:limit])


def derive(asset_id: UUID) -> Asset | None:
    """Make what is missing and write it on the row. Once done it does nothing; None when there is nothing to do it for."""
    asset = Asset.objects.filter(pk=asset_id, deleted_at=None).select_related("blob").first()
    if asset is None or asset.derived_at or asset.derive_tries >= MAX_TRIES:
        return asset
    try:
        with assets.local_path(asset.blob) as path:  # storage that is away costs no try
            Asset.objects.filter(pk=asset.pk).update(derive_tries=F("derive_tries") + 1)
            image, facts = _FACES.get(asset.kind, _nothing)(path, asset)
        thumbnail = _stored(image) if image else None
    except Exception:  # a missing thumbnail must never take anything else along
        logger.exception("no face for asset %s", asset.pk)
        return asset
    return _written(asset.pk, thumbnail, facts if image is None else {**facts, "colour": media.colour(image)})


def _written(asset_id: UUID, thumbnail: Blob | None, facts: dict[str, Any]) -> Asset:
    with transaction.atomic():
        asset = Asset.objects.select_for_update().get(pk=asset_id)
        asset.facts = {**asset.facts, **facts}
        asset.thumbnail, asset.derived_at = thumbnail, timezone.now()
        asset.save(update_fields=["facts", "thumbnail", "derived_at"])
    return asset


def _stored(image: Image.Image) -> Blob:
    with scratch() as folder:
        path = folder / "thumbnail"
        path.write_bytes(media.webp(media.small(image)))
        return assets.put_blob(path, "image/webp")


def _image(path: Path, asset: Asset) -> Face:
    return media.thumbnail(path, asset.mime), {}


def _video(path: Path, asset: Asset) -> Face:
    return media.poster(path, asset.mime), {}


def _audio(path: Path, asset: Asset) -> Face:
    return None, {"peaks": media.peaks(path, asset.mime, asset.seconds or 0)}


def _model3d(path: Path, asset: Asset) -> Face:
    return meshes.poster(path, asset.mime), {}


def _nothing(path: Path, asset: Asset) -> Face:
    return None, {}


_FACES: dict[str, Callable[[Path, Asset], Face]] = {
    "image": _image,
    "video": _video,
    "audio": _audio,
    "model3d": _model3d,
}
