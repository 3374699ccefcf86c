"""The wallet: what there is, what is held, and every line that moved it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts import ledger
from generations.models import Generation

from .context import workspace_of

PAGE = 50
WORDS = {
    "grant": "Added",
    "hold": "Set aside",
    "capture": "Charged",
    "release": "Given back",
    "refund": "Refunded",
    "adjust": "Adjusted",
    "sync": "Synced",
}


@login_required
@require_GET
def wallet(request: HttpRequest) -> HttpResponse:
    workspace, after = workspace_of(request), request.GET.get("after", "")
    entries = ledger.wallet(workspace).entries.order_by("-id")
    if after.isdecimal():
        entries = entries.filter(pk__lt=int(after[:18]))
    rows = list(entries[: PAGE + 1])
    shown = rows[:PAGE]
    made = Generation.objects.visible_in(workspace).in_bulk([row.reference for row in shown if row.reference])
    page = {
        "entries": [(row, WORDS[row.kind], made.get(row.reference)) for row in shown],
        "next": shown[-1].pk if len(rows) > PAGE else "",
    }
    part = "wallet/_entries.html" if request.headers.get("HX-Request") else "wallet/wallet.html"
    return render(request, part, page)
