"""URLs of the web process."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from apps.telemetry.api.influx import health, ping, query, write_v1, write_v2
from apps.telemetry.api.receivers.views import otlp_metrics, remote_write
from urfmp.common.api.docs import DocsView, SchemaView
from urfmp.common.http.health import healthz, readyz
from urfmp.live.views import served_by_live
from urfmp.pages.views.favicon import favicon
from urfmp.pages.views.web_app.manifest import manifest
from urfmp.pages.views.web_app.service_worker import service_worker

handler400 = "urfmp.common.http.error_views.bad_request"
handler403 = "urfmp.pages.views.error_pages.permission_denied"
handler404 = "urfmp.pages.views.error_pages.not_found"
handler500 = "urfmp.common.http.error_views.server_error"

api: list[URLPattern | URLResolver] = [
    path("events", served_by_live, name="events"),
    path("device/commands/next", served_by_live, name="device-command-next"),
    path("device/commands/events", served_by_live, name="device-command-events"),
    path("schema", SchemaView.as_view(), name="schema"),
    path("docs", DocsView.as_view(url_name="api:schema"), name="docs"),
    path("", include("apps.telemetry.api.urls")),
    path("", include("apps.accounts.api.urls")),
    path("", include("apps.organizations.api.urls")),
    path("", include("apps.robots.api.urls")),
    path("", include("apps.maintenance.api.urls")),
    path("", include("apps.alerts.api.urls")),
    path("", include("apps.audit.api.urls")),
]

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("favicon.ico", favicon, name="favicon"),
    # At the root, because a service worker controls pages below its own URL only.
    path("service-worker.js", service_worker, name="service-worker"),
    path("manifest.webmanifest", manifest, name="manifest"),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("api/v1/", include((api, "api"))),
    # URLs of InfluxDB, which its clients expect.
    path("api/v2/write", write_v2, name="influx-write-v2"),
    path("write", write_v1, name="influx-write-v1"),
    path("ping", ping, name="influx-ping"),
    path("health", health, name="influx-health"),
    path("query", query, name="influx-query-v1"),
    path("api/v2/query", query, name="influx-query-v2"),
    # URLs of Prometheus and OpenTelemetry, which end as their clients expect.
    path("prometheus/api/v1/", include("apps.telemetry.api.prometheus.urls")),
    path("prometheus/api/v1/write", remote_write, name="prometheus-write"),
    path("otlp/v1/metrics", otlp_metrics, name="otlp-metrics"),
    path("admin/", admin.site.urls),
]
