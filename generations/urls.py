"""Addresses of the pages. Programs have theirs under /api/v1/."""

from __future__ import annotations

from django.urls import path, re_path

from .views import acting, composing, detail, keys, library, models, money, session, studio

urlpatterns = [
    path("", studio.studio, name="studio"),
    path("generations/new", studio.new, name="new"),
    path("generations/feed", studio.feed, name="feed"),
    path("generations/cards", studio.cards, name="cards"),
    path("generations/<uuid:pk>", detail.detail, name="detail"),
    path("generations/<uuid:pk>/card", acting.one_card, name="card"),
    re_path(r"^generations/(?P<pk>[0-9a-f-]{36})/(?P<verb>cancel|pause|resume|retry|delete)$", acting.act, name="act"),
    path("composer", composing.composer, name="composer"),
    path("composer/models", composing.picker, name="picker"),
    path("library", library.library, name="library"),
    path("library/<uuid:pk>", library.asset, name="asset"),
    path("library/<uuid:pk>/frame", detail.model_frame, name="model-frame"),
    path("wallet", money.wallet, name="wallet"),
    path("models", models.models, name="models"),
    path("settings/keys", keys.keys, name="keys"),
    path("settings/keys/<int:pk>/revoke", keys.revoke, name="key-revoke"),
    path("workspace", session.workspace, name="workspace"),
    path("theme", session.theme, name="theme"),
    path("signin/<str:token>", session.signin, name="signin"),
]
