from __future__ import annotations

from django.db import models


class AlertSeverity(models.TextChoices):
    INFO = "info", "Info"
    WARNING = "warning", "Warning"
    ERROR = "error", "Error"
    CRITICAL = "critical", "Critical"


class AlertType(models.TextChoices):
    TELEMETRY = "telemetry", "Telemetry"
    STATUS = "status", "Status"
    CONNECTIVITY = "connectivity", "Connectivity"
    MAINTENANCE = "maintenance", "Maintenance"
    COMMAND = "command", "Command"
    SECURITY = "security", "Security"
    SYSTEM = "system", "System"


class AlertSource(models.TextChoices):
    ROBOT = "robot", "Robot"
    SYSTEM = "system", "System"
    MAINTENANCE = "maintenance", "Maintenance"
    USER = "user", "User"
    INTEGRATION = "integration", "Integration"
