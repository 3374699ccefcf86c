"""A new generation: validated, quoted, its price held, its first step due; all in one transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import ledger
from accounts.errors import Refused
from accounts.models import ApiKey, Workspace
from generations import bells, budgets, faults, history, orders
from generations.models import Generation, GenerationInput, Step
from generations.orders import Order, Ready

from .moves import now_micros, record


def create(
    *,
    order: Order,
    workspace: Workspace,
    user: Any,
    api_key: ApiKey | None = None,
    idempotency_key: str | None = None,
    retry_of: Generation | None = None,
) -> tuple[Generation, bool]:
    """(generation, created). A known idempotency key gives back its generation; with another body it is refused."""
    digest = orders.digest(order)
    known = _known(workspace, idempotency_key, digest)
    if known:
        return known, False
    ready = orders.prepare(order, workspace, user)
    try:
        with transaction.atomic():
            return _insert(order, ready, workspace, user, api_key, idempotency_key, digest, retry_of), True
    except IntegrityError:
        known = _known(workspace, idempotency_key, digest)
        if known is None:
            raise
        return known, False


def retry(generation: Generation, *, by: Any, api_key: ApiKey | None = None) -> Generation:
    """A person's retry: a new generation with the same order, linked to the old one."""
    if not generation.is_terminal:
        raise Refused("conflict", "This is still under way. Cancel it first, or wait for its end.", status=409)
    order = orders.again(generation)
    return create(order=order, workspace=generation.workspace, user=by, api_key=api_key, retry_of=generation)[0]


def _known(workspace: Workspace, key: str | None, digest: str) -> Generation | None:
    if not key:
        return None
    if len(key) > 255:
        raise Refused(
            "invalid_fields", "Idempotency-Key may have 255 characters.", fields={"Idempotency-Key": ["Too long."]}
        )
    found = Generation.objects.filter(workspace=workspace, idempotency_key=key).first()
    if found and found.body_hash != digest:
        raise Refused(
            "idempotency_conflict", "This Idempotency-Key was used with another body. Use a new key.", status=409
        )
    return found


def _insert(
    order: Order,
    ready: Ready,
    workspace: Workspace,
    user: Any,
    api_key: ApiKey | None,
    key: str | None,
    digest: str,
    retry_of: Generation | None,
) -> Generation:
    who = {"workspace": workspace, "user": user, "api_key": api_key, "retry_of": retry_of}
    generation = _row(order, ready, idempotency_key=key or None, body_hash=digest, **who)
    budgets.check(api_key)
    GenerationInput.objects.bulk_create(
        GenerationInput(generation=generation, role=role, position=position, asset=asset)
        for position, (role, asset) in enumerate(ready.inputs)
    )
    record(generation, "status", {"quoted": generation.quote.get("amount")})
    cluster = "io" if ready.computed_here else "default"
    due_at = generation.created_at.timestamp()
    Step.objects.create(
        generation=generation, verb="submit", cluster=cluster, due_at=due_at, change_seq=now_micros(), priority=order.priority
    )  # fmt: skip
    bells.ring_on_commit(cluster)
    faults.at("before_hold")
    ledger.hold(ledger.wallet(workspace), amount=ready.hold, key=f"hold:{generation.pk}", reference=generation.pk)
    faults.at("after_hold")
    return generation


def _row(order: Order, ready: Ready, **who: Any) -> Generation:
    now = timezone.now()
    capability = ready.capability
    return Generation.objects.create(
        **who,
        capability=capability,
        operation=capability.operation,
        output_kind=capability.output_kind,
        prompt=str(ready.params.get("prompt") or ready.params.get("text") or "")[:20_000],
        params=ready.params,
        metadata=order.metadata,
        mode=ready.mode,
        priority=order.priority,
        pinned=ready.pinned,
        fallbacks=ready.fallbacks,
        quote=ready.price.to_dict(),
        quoted_micros=ready.price.amount,
        held_micros=ready.hold,
        fingerprint=ready.fingerprint,
        deadline_at=now + timedelta(hours=settings.MEDIAGEN_QUEUE_HOURS),
        expected_seconds=history.expected(capability),
        created_at=now,
    )
