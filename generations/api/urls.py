"""/api/v1/: everything about models, generations, assets and live updates."""

from __future__ import annotations

from django.urls import path

from . import assets, catalogue, events, generations, quotes

urlpatterns = [
    path("providers", catalogue.Providers.as_view(), name="providers"),
    path("providers/<slug:slug>", catalogue.ProviderDetail.as_view(), name="provider"),
    path("videos/providers", catalogue.VideoProviders.as_view(), name="video-providers"),
    path("models", catalogue.Models.as_view(), name="models"),
    path("models/<path:model_id>", catalogue.ModelDetail.as_view(), name="model"),
    path("quotes", quotes.Quotes.as_view(), name="quotes"),
    path("generations", generations.Generations.as_view(), name="generations"),
    path("generations/<uuid:pk>", generations.GenerationDetail.as_view(), name="generation"),
    path("generations/<uuid:pk>/cancel", generations.Cancel.as_view(), name="generation-cancel"),
    path("generations/<uuid:pk>/pause", generations.Pause.as_view(), name="generation-pause"),
    path("generations/<uuid:pk>/resume", generations.Resume.as_view(), name="generation-resume"),
    path("generations/<uuid:pk>/retry", generations.Retry.as_view(), name="generation-retry"),
    path("generations/<uuid:pk>/settle", generations.Settle.as_view(), name="generation-settle"),
    path("generations/<uuid:pk>/events", events.GenerationEvents.as_view(), name="generation-events"),
    path("events", events.WorkspaceEvents.as_view(), name="events"),
    path("assets", assets.Assets.as_view(), name="assets"),
    path("assets/<uuid:pk>", assets.AssetDetail.as_view(), name="asset"),
    path("assets/<uuid:pk>/content", assets.Content.as_view(), name="asset-content"),
    path("assets/<uuid:pk>/thumbnail", assets.Thumbnail.as_view(), name="asset-thumbnail"),
]
