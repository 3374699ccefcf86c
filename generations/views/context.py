"""What the frame around every page shows: theme, workspace, wallet, running jobs. Read only when a template asks."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts import ledger, people
from accounts.models import Workspace
from generations.models import Generation
from generations.models.generations import LIVE

THEMES = {"system": ("monitor", "System"), "dark": ("moon", "Dark"), "paper": ("sun", "Paper")}
COOKIE = "theme"
NAV = (
    ("studio", "Studio", "sparkles", ("studio", "detail")),
    ("library", "Library", "images", ("library", "asset")),
    ("wallet", "Wallet", "wallet", ("wallet",)),
    ("models", "Models", "cpu", ("models",)),
    ("keys", "Keys", "key-round", ("keys",)),
)


def frame(request: HttpRequest) -> dict[str, Any]:
    """The context processor."""
    theme = request.COOKIES.get(COOKIE, "system")
    here = request.resolver_match.url_name if request.resolver_match else ""
    return {
        "theme": theme if theme in THEMES else "system",
        "themes": [(key, *shown) for key, shown in THEMES.items()],
        "nav": [(name, word, icon, here in pages) for name, word, icon, pages in NAV],
        "workspace": SimpleLazyObject(lambda: workspace_of(request)),
        "workspaces": SimpleLazyObject(lambda: people.workspaces_of(request.user)),
        "wallet": SimpleLazyObject(lambda: wallet_of(workspace_of(request))),
        "running": SimpleLazyObject(lambda: running_in(workspace_of(request))),
    }


def workspace_of(request: HttpRequest) -> Workspace:
    """The workspace this page acts in, asked once per request."""
    found: Workspace | None = getattr(request, "_page_workspace", None)
    if found is None:
        found = people.current_workspace(request)
        request._page_workspace = found  # type: ignore[attr-defined]
    return found


def wallet_of(workspace: Workspace) -> dict[str, int]:
    pool = ledger.wallet(workspace)
    balance = pool.balance or 0
    return {"balance": balance, "held": pool.held, "available": balance - pool.held}


def running_in(workspace: Workspace) -> int:
    return Generation.objects.visible_in(workspace).filter(status__in=LIVE).count()
