from __future__ import annotations

from django.urls import path

from apps.telemetry.api.corrections import CorrectionView
from apps.telemetry.api.export import ExportView
from apps.telemetry.api.histogram import HistogramView
from apps.telemetry.api.ingest import ingest
from apps.telemetry.api.latest import FleetLatestView, LatestView
from apps.telemetry.api.series import FleetSeriesView, SeriesView

urlpatterns = [
    path("telemetry", ingest, name="telemetry-ingest"),
    path("telemetry/export", ExportView.as_view(), name="telemetry-export"),
    path("telemetry/latest", FleetLatestView.as_view(), name="fleet-latest-list"),
    path("telemetry/series", FleetSeriesView.as_view(), name="fleet-series"),
    path("robots/<uuid:robot_id>/telemetry/latest", LatestView.as_view(), name="telemetry-latest"),
    path("robots/<uuid:robot_id>/telemetry/series", SeriesView.as_view(), name="telemetry-series"),
    path(
        "robots/<uuid:robot_id>/telemetry/histogram",
        HistogramView.as_view(),
        name="telemetry-histogram",
    ),
    path(
        "robots/<uuid:robot_id>/telemetry/corrections",
        CorrectionView.as_view(),
        name="telemetry-corrections",
    ),
]
