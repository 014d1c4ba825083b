"""URLs of the product and of the yardstick views."""

from __future__ import annotations

from django.urls import include, path

from benchmarks.views import BulkCreateView, empty

urlpatterns = [
    path("yardstick/empty", empty),
    path("api/v1/yardstick/bulk-create", BulkCreateView.as_view()),
    path("", include("urfmp.urls")),
]

handler400 = "urfmp.common.http.error_views.bad_request"
handler403 = "urfmp.common.http.error_views.permission_denied"
handler404 = "urfmp.common.http.error_views.not_found"
handler500 = "urfmp.common.http.error_views.server_error"
