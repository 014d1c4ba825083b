from __future__ import annotations

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "apps.alerts"
    verbose_name = "Alerts"

    def ready(self) -> None:
        """Follow retired and purged robots and unknown commands; publish alerts."""
        from apps.alerts.services.commands import alert_follow_command  # noqa: PLC0415
        from apps.alerts.services.events import add_alert_event_step  # noqa: PLC0415
        from apps.alerts.services.notifications.outbox import alert_event_notify  # noqa: PLC0415
        from apps.alerts.services.notifications.watchdog import delivery_problems  # noqa: PLC0415
        from apps.alerts.services.publishing import alert_event_publish  # noqa: PLC0415
        from apps.alerts.services.robots import (  # noqa: PLC0415
            alerts_delete_of_purged_robot,
            alerts_resolve_of_retired_robot,
        )
        from apps.robots.services.commands.changes import add_outcome_step  # noqa: PLC0415
        from apps.robots.services.purge import add_purge_step  # noqa: PLC0415
        from apps.robots.services.retirement import add_retirement_step  # noqa: PLC0415
        from urfmp.common.http.health import add_readiness_check  # noqa: PLC0415

        add_retirement_step(alerts_resolve_of_retired_robot)
        add_purge_step("alerts", alerts_delete_of_purged_robot)
        add_outcome_step(alert_follow_command)
        add_alert_event_step(alert_event_notify)
        add_alert_event_step(alert_event_publish)
        add_readiness_check(delivery_problems)
