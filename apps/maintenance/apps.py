from __future__ import annotations

from django.apps import AppConfig


class MaintenanceConfig(AppConfig):
    name = "apps.maintenance"
    verbose_name = "Maintenance"

    def ready(self) -> None:
        """Close or delete the tasks of retired and purged robots."""
        from apps.maintenance.services.schedules import (  # noqa: PLC0415
            schedules_count_of_purged_robot,
        )
        from apps.maintenance.services.tasks import (  # noqa: PLC0415
            tasks_close_of_retired_robot,
            tasks_delete_of_purged_robot,
        )
        from apps.robots.services.purge import add_purge_step  # noqa: PLC0415
        from apps.robots.services.retirement import add_retirement_step  # noqa: PLC0415

        add_retirement_step(tasks_close_of_retired_robot)
        add_purge_step("maintenance_tasks", tasks_delete_of_purged_robot)
        add_purge_step("maintenance_schedules", schedules_count_of_purged_robot)
