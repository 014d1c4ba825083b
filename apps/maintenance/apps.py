from __future__ import annotations

from django.apps import AppConfig


class MaintenanceConfig(AppConfig):
    name = "apps.maintenance"
    verbose_name = "Maintenance"

    def ready(self) -> None:
        """Close the tasks of robots that retire."""
        from apps.maintenance.services import tasks_close_of_retired_robot  # noqa: PLC0415
        from apps.robots.services.retirement import add_retirement_step  # noqa: PLC0415

        add_retirement_step(tasks_close_of_retired_robot)
