from __future__ import annotations

from rest_framework.routers import SimpleRouter

from apps.maintenance.api.parts import (
    PartMovementViewSet,
    PartStockViewSet,
    PartViewSet,
    TaskPartViewSet,
)
from apps.maintenance.api.schedules import MaintenanceScheduleViewSet
from apps.maintenance.api.task_files import TaskFileViewSet
from apps.maintenance.api.task_steps import TaskStepViewSet
from apps.maintenance.api.task_templates import TaskTemplateViewSet
from apps.maintenance.api.tasks import MaintenanceTaskViewSet
from apps.maintenance.api.work_requests import WorkRequestViewSet

router = SimpleRouter(trailing_slash=False)
router.register("maintenance-tasks", MaintenanceTaskViewSet, basename="maintenance-task")
router.register(
    "maintenance-schedules", MaintenanceScheduleViewSet, basename="maintenance-schedule"
)
router.register("parts", PartViewSet, basename="part")
router.register("part-stocks", PartStockViewSet, basename="part-stock")
router.register("part-movements", PartMovementViewSet, basename="part-movement")
router.register("task-parts", TaskPartViewSet, basename="task-part")
router.register("task-templates", TaskTemplateViewSet, basename="task-template")
router.register("task-steps", TaskStepViewSet, basename="task-step")
router.register("task-files", TaskFileViewSet, basename="task-file")
router.register("work-requests", WorkRequestViewSet, basename="work-request")

urlpatterns = router.urls
