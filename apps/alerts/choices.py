from __future__ import annotations

from django.db import models


class AlertSeverity(models.TextChoices):
    """How bad it is, least first."""

    INFO = "info", "Info"
    WARNING = "warning", "Warning"
    ERROR = "error", "Error"
    CRITICAL = "critical", "Critical"


class AlertType(models.TextChoices):
    """What kind of thing is wrong."""

    TELEMETRY = "telemetry", "Telemetry"
    STATUS = "status", "Status"
    CONNECTIVITY = "connectivity", "Connectivity"
    MAINTENANCE = "maintenance", "Maintenance"
    COMMAND = "command", "Command"
    SECURITY = "security", "Security"
    SYSTEM = "system", "System"


class AlertSource(models.TextChoices):
    """Who or what raised it."""

    ROBOT = "robot", "Robot"
    SYSTEM = "system", "System"
    MAINTENANCE = "maintenance", "Maintenance"
    USER = "user", "User"
    INTEGRATION = "integration", "Integration"
