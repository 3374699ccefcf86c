"""The inputs of an order as kept assets: by id, by address (through the guard), or as a data: address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from accounts.errors import Refused, field_errors
from accounts.models import Workspace
from generations import assets
from generations.models import Asset

MOST = 50
WAYS = ("asset", "url", "data")


def collect(inputs: Sequence[Mapping[str, Any]], workspace: Workspace, user: Any) -> list[tuple[str, Asset]]:
    if len(inputs) > MOST:
        raise field_errors({"inputs": [f"At most {MOST} inputs."]})
    return [_one(item, place, workspace, user) for place, item in enumerate(inputs)]


def _one(item: Any, place: int, workspace: Workspace, user: Any) -> tuple[str, Asset]:
    name = f"inputs.{place}"
    if not isinstance(item, Mapping) or not isinstance(item.get("role"), str):
        raise field_errors({name: ["Write an object with role and one of asset, url, data."]})
    given = [way for way in WAYS if item.get(way)]
    if len(given) != 1 or not isinstance(item[given[0]], str):
        raise field_errors({name: ["Give exactly one of asset, url, data, as text."]})
    if strange := [key for key in item if key not in ("role", *WAYS)]:
        raise field_errors({f"{name}.{strange[0]}": [f"There is no field {strange[0]}."]})
    try:
        return item["role"], _READ[given[0]](item[given[0]], workspace, user)
    except Refused as error:
        raise field_errors({f"{name}.{given[0]}": [error.detail]}) from error


def _kept(text: str, workspace: Workspace, user: Any) -> Asset:
    try:
        wanted = UUID(text)
    except ValueError:
        raise Refused("invalid_fields", "This is not an asset id.") from None
    found = Asset.objects.visible_in(workspace).select_related("blob").filter(pk=wanted).first()
    if found is None:
        raise Refused("invalid_fields", "This workspace has no such asset.")
    return found


def _from_url(text: str, workspace: Workspace, user: Any) -> Asset:
    return assets.from_url(text, workspace=workspace, user=user)


def _from_data(text: str, workspace: Workspace, user: Any) -> Asset:
    return assets.from_data_url(text, workspace=workspace, user=user)


_READ = {"asset": _kept, "url": _from_url, "data": _from_data}
