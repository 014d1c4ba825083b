from __future__ import annotations

from rest_framework.routers import SimpleRouter

from apps.maintenance.api.tasks import MaintenanceTaskViewSet

router = SimpleRouter(trailing_slash=False)
router.register("maintenance-tasks", MaintenanceTaskViewSet, basename="maintenance-task")

urlpatterns = router.urls
