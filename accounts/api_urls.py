"""/api/v1/: the wallet, its ledger, and the keys of a workspace."""

from __future__ import annotations

from django.urls import path

from . import api

urlpatterns = [
    path("wallet", api.Wallet.as_view(), name="wallet"),
    path("ledger", api.Ledger.as_view(), name="ledger"),
    path("api-keys", api.Keys.as_view(), name="api-keys"),
    path("api-keys/<slug:prefix>", api.KeyDetail.as_view(), name="api-key"),
]
