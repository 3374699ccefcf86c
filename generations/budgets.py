"""What one API key may have held and spent altogether: checked inside the transaction that creates, so that two calls at
once cannot both slip under the limit."""

from __future__ import annotations

from django.db.models import Sum
from django.db.models.functions import Coalesce

from accounts.errors import Refused
from accounts.models import ApiKey
from accounts.money import short

from .models import Generation


def spent(key: ApiKey) -> int:
    """Charged where it has ended, held where it has not."""
    rows = Generation.objects.filter(api_key=key)
    return rows.aggregate(total=Sum(Coalesce("charged_micros", "held_micros")))["total"] or 0


def check(key: ApiKey | None) -> None:
    """After the new generation is written, before its hold: refused when this key is now above its budget."""
    if key is None or key.budget_micros is None:
        return
    ApiKey.objects.select_for_update().get(pk=key.pk)
    total = spent(key)
    if total > key.budget_micros:
        raise Refused(
            "key_budget",
            f"This key may spend {short(key.budget_micros)} credits; with this it would be at {short(total)}. "
            "Choose something cheaper, or use a key with a larger budget.",
            status=402,
        )
