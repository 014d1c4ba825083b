from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.audit.api.audit_logs import AuditExportViewSet, AuditLogViewSet

router = SimpleRouter(trailing_slash=False)
router.register("audit-logs", AuditLogViewSet, basename="audit-log")

urlpatterns = [
    path("audit-logs/export", AuditExportViewSet.as_view({"get": "list"}), name="audit-log-export"),
    *router.urls,
]
