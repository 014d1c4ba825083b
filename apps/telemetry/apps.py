from __future__ import annotations

from django.apps import AppConfig


class TelemetryConfig(AppConfig):
    name = "apps.telemetry"
    verbose_name = "Telemetry"

    def ready(self) -> None:
        """Count the points and imports of robots that are purged."""
        from apps.robots.services.purge import add_purge_step  # noqa: PLC0415
        from apps.telemetry.selectors.robot_totals import (  # noqa: PLC0415
            count_imports_of_robot,
            count_points_of_robot,
        )

        add_purge_step("points", count_points_of_robot)
        add_purge_step("imports", count_imports_of_robot)
