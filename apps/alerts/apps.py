from __future__ import annotations

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "apps.alerts"
    verbose_name = "Alerts"

    def ready(self) -> None:
        """Resolve the alerts of robots that retire."""
        from apps.alerts.services import alerts_resolve_of_retired_robot  # noqa: PLC0415
        from apps.robots.services.retirement import add_retirement_step  # noqa: PLC0415

        add_retirement_step(alerts_resolve_of_retired_robot)
