"""How the admin looks (django-unfold): our accent and neutrals, the sidebar by task. Read by settings, so no models here."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

# lightness and chroma of the two scales, lightest first; the hues are those of static/css/tokens.css
STEPS = ("50", "100", "200", "300", "400", "500", "600", "700", "800", "900", "950")
NEUTRAL = (0.985, 0.966, 0.915, 0.852, 0.712, 0.54, 0.455, 0.375, 0.285, 0.205, 0.155)
AMBER = (
    (0.985, 0.020), (0.960, 0.045), (0.920, 0.085), (0.870, 0.125), (0.820, 0.148), (0.780, 0.150), (0.560, 0.130), (0.500, 0.115),
    (0.430, 0.095), (0.370, 0.075), (0.280, 0.055),
)  # fmt: skip


def _page(name: str) -> Any:
    return reverse_lazy(f"admin:{name}_changelist")


def _may(permission: str) -> Any:
    def allowed(request: HttpRequest) -> bool:
        app, name = permission.split(".")
        return any(request.user.has_perm(f"{app}.{verb}_{name}") for verb in ("view", "change"))

    return allowed


def _item(title: str, icon: str, model: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": _page(model.replace(".", "_")), "permission": _may(model)}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Mediagen",
    "SITE_HEADER": "Mediagen",
    "SITE_SUBHEADER": "Administration",
    "SITE_SYMBOL": "photo_camera",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/mark.svg")}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "DASHBOARD_CALLBACK": "mediagen_site.dashboard.fill",
    "STYLES": [lambda request: static("css/admin.css")],
    "COLORS": {
        "base": {step: f"oklch({light} 0.005 75)" for step, light in zip(STEPS, NEUTRAL, strict=True)},
        "primary": {step: f"oklch({light} {chroma} 68)" for step, (light, chroma) in zip(STEPS, AMBER, strict=True)},
    },
    "COMMAND": {"search_models": False, "show_history": False},
    "SIDEBAR": {
        "show_search": True,
        "command_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    {"title": "At a glance", "icon": "monitoring", "link": reverse_lazy("admin:index")},
                    {"title": "Back to the studio", "icon": "arrow_back", "link": "/", "active": lambda request: False},
                ]
            },
            {
                "title": "Work",
                "items": [
                    _item("Generations", "movie", "generations.generation"),
                    _item("Attempts", "send", "generations.attempt"),
                    _item("Due next", "schedule", "generations.step"),
                    _item("Events", "history", "generations.event"),
                ],
            },
            {
                "title": "Providers",
                "items": [
                    _item("Providers", "hub", "providers.provider"),
                    _item("Models and prices", "sell", "providers.capability"),
                    _item("Accounts", "passkey", "accounts.provideraccount"),
                ],
            },
            {
                "title": "Money",
                "items": [
                    _item("Wallets and balances", "account_balance_wallet", "accounts.pool"),
                    _item("Entries", "receipt_long", "accounts.entry"),
                    _item("Exchange and mark-up", "currency_exchange", "accounts.exchange"),
                ],
            },
            {
                "title": "People",
                "items": [
                    _item("Users", "person", "auth.user"),
                    _item("Workspaces", "groups", "accounts.workspace"),
                    _item("API keys", "key", "accounts.apikey"),
                ],
            },
            {
                "title": "Files",
                "items": [
                    _item("Assets", "image", "generations.asset"),
                    _item("Stored bytes", "database", "generations.blob"),
                ],
            },
            {
                "title": "Machinery",
                "collapsible": True,
                "items": [
                    _item("Pulses", "ecg_heart", "generations.pulse"),
                    _item("Places taken", "event_seat", "accounts.lease"),
                    _item("Rates", "speed", "providers.ratebucket"),
                    _item("Schedules", "calendar_clock", "django_q.schedule"),
                    _item("Failed messages", "error", "django_q.failure"),
                    _item("Groups", "shield_person", "auth.group"),
                    _item("Mail addresses", "mail", "account.emailaddress"),
                    _item("Second factors", "phonelink_lock", "mfa.authenticator"),
                    _item("Sign-in links", "link", "accounts.signinlink"),
                ],
            },
        ],
    },
}
