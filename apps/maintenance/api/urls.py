from __future__ import annotations

from rest_framework.routers import SimpleRouter

from apps.maintenance.api.schedules import MaintenanceScheduleViewSet
from apps.maintenance.api.tasks import MaintenanceTaskViewSet

router = SimpleRouter(trailing_slash=False)
router.register("maintenance-tasks", MaintenanceTaskViewSet, basename="maintenance-task")
router.register(
    "maintenance-schedules", MaintenanceScheduleViewSet, basename="maintenance-schedule"
)

urlpatterns = router.urls
