"""Every address: pages from generations.urls, programs below /api/v1/, and the few that belong to the site itself."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular import renderers
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from generations import serving
from generations.webhooks_in import Receive

from . import health
from .metrics import Metrics
from .rest import problems, schema  # noqa: F401  schema: the ways in are described there

api = (
    [
        path("", include("providers.api_urls")),
        path("", include("accounts.api_urls")),
        path("", include("generations.api.urls")),
    ],
    "api",
)

SCHEMA_FORMS = [renderers.OpenApiJsonRenderer2, renderers.OpenApiJsonRenderer, renderers.OpenApiYamlRenderer]

urlpatterns = [
    path("", include("generations.urls")),
    path("", include(serving.urlpatterns)),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", Metrics.as_view(), name="metrics"),
    path("callbacks/<slug:provider>/<str:token>", Receive.as_view(), name="callback"),
    path("api/v1/", include(api)),
    path("api/schema", SpectacularAPIView.as_view(renderer_classes=SCHEMA_FORMS), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    re_path(r"^(?:api|v1|callbacks|health)/", problems.unknown_path),
    path("auth/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]

handler400 = problems.bad_request
handler403 = problems.forbidden
handler404 = problems.not_found
handler500 = problems.server_error
