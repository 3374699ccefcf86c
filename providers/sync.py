"""Catalogues → Provider and Capability rows, after migrate and on demand. Overrides and observations are never touched."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from .catalogue_types import Capability as Spec
from .catalogue_types import Catalogue
from .loaded import registry
from .models import Capability, Provider
from .operations import OPERATIONS
from .registry import Entry

logger = logging.getLogger("mediagen.providers")


def sync() -> dict[str, int]:
    """Returns what changed. A provider whose folder is gone stays as a row marked missing, so history can be read."""
    changed = {"providers": 0, "capabilities": 0, "missing": 0}
    with transaction.atomic():
        for entry in registry.entries.values():
            provider, differs = _provider(entry)
            changed["providers"] += differs
            if entry.catalogue:
                changed["capabilities"] += _capabilities(provider, entry.catalogue)
        gone = Provider.objects.exclude(slug__in=registry.entries).filter(missing=False)
        changed["missing"] = gone.update(missing=True)
    return changed


def _provider(entry: Entry) -> tuple[Provider, bool]:
    found = entry.catalogue
    fields: dict[str, Any] = {"origin": entry.origin, "missing": False, "problem": entry.error}
    if found:
        fields |= {
            "name": found.name,
            "kind": found.kind,
            "enabled": found.enabled,
            "catalogue": json.loads(json.dumps(found.to_dict())),
        }
    known = Provider.objects.filter(slug=entry.slug).first()
    if known is None:
        return Provider.objects.create(
            slug=entry.slug, **{"name": entry.slug, "kind": "remote", **fields}, synced_at=timezone.now()
        ), True
    if all(getattr(known, name) == value for name, value in fields.items()):
        return known, False
    Provider.objects.filter(pk=known.pk).update(**fields, synced_at=timezone.now())
    return known, True


def _capabilities(provider: Provider, catalogue: Catalogue) -> int:
    known = {(row.model, row.operation): row for row in provider.capabilities.filter(origin="catalogue")}
    changed = 0
    for spec in catalogue.capabilities:
        row = known.pop((spec.model, spec.operation), None)
        changed += write(provider, spec, row, origin="catalogue", operations=catalogue)
    left = [row.pk for row in known.values() if not row.missing]
    return changed + Capability.objects.filter(pk__in=left).update(missing=True)


def write(
    provider: Provider, spec: Spec, row: Capability | None, *, origin: str, operations: Catalogue | None = None
) -> bool:
    """One capability row brought to its spec; False when it was so already."""
    data = json.loads(json.dumps(spec.to_dict()))
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    if row and row.spec_hash == digest and not row.missing:
        return False
    fields = {
        "label": spec.label, "output_kind": _kind(spec, operations), "spec": data, "spec_hash": digest, "origin": origin, "missing": False,
        "lifecycle": spec.lifecycle.get("status") or "available", "retires_on": _date(spec.lifecycle.get("retires_on")),
        "position": spec.position,
    }  # fmt: skip
    Capability.objects.update_or_create(provider=provider, model=spec.model, operation=spec.operation, defaults=fields)
    return True


def _kind(spec: Spec, catalogue: Catalogue | None) -> str:
    """The medium people look for it under: the operation's, else its first output's."""
    own = {item.name: item.kind for item in catalogue.operations} if catalogue else {}
    standard = OPERATIONS.get(spec.operation)
    return spec.outputs[0] if spec.outputs else own.get(spec.operation) or (standard.kind if standard else "data")


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
