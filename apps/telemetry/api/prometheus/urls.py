from __future__ import annotations

from django.urls import path

from apps.telemetry.api.prometheus import views

# Below `/prometheus`, as the URL of a data source in Grafana.
urlpatterns = [
    path("query", views.query, name="prometheus-query"),
    path("query_range", views.query_range, name="prometheus-query-range"),
    path("series", views.series, name="prometheus-series"),
    path("labels", views.labels, name="prometheus-labels"),
    path("label/<str:label>/values", views.label_values, name="prometheus-label-values"),
    path("status/buildinfo", views.buildinfo, name="prometheus-buildinfo"),
]
