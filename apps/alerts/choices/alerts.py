from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from django.db import models

MAX_KEY_LENGTH = 255
MAX_COMMENT_LENGTH = 5000
MAX_BULK_ALERTS = 200
MAX_UNDO_AGE = timedelta(minutes=10)
# Prefixes of keys that the platform derives; a report cannot contain such a key.
DERIVED_KEY_PREFIX = "auto:"
RULE_KEY_PREFIX = "rule:"
ALERTMANAGER_KEY_PREFIX = "alertmanager:"
RESERVED_KEY_PREFIXES = (DERIVED_KEY_PREFIX, RULE_KEY_PREFIX, ALERTMANAGER_KEY_PREFIX)


class AlertSeverity(models.TextChoices):
    """Severity of an alert, lowest first."""

    INFO = "info", "Info"
    WARNING = "warning", "Warning"
    ERROR = "error", "Error"
    CRITICAL = "critical", "Critical"


class AlertType(models.TextChoices):
    """Kind of problem."""

    TELEMETRY = "telemetry", "Telemetry"
    STATUS = "status", "Status"
    CONNECTIVITY = "connectivity", "Connectivity"
    MAINTENANCE = "maintenance", "Maintenance"
    COMMAND = "command", "Command"
    SECURITY = "security", "Security"
    SYSTEM = "system", "System"


class AlertSource(models.TextChoices):
    """Origin of an alert."""

    ROBOT = "robot", "Robot"
    SYSTEM = "system", "System"
    MAINTENANCE = "maintenance", "Maintenance"
    USER = "user", "User"
    INTEGRATION = "integration", "Integration"


class AlertOutcome(models.TextChoices):
    """What a report of a condition did."""

    OPENED = "opened", "Opened"
    REPEATED = "repeated", "Repeated"


class AlertState(StrEnum):
    """State of an alert, derived from its two flags."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class AlertAction(StrEnum):
    """Action on an alert."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


class BulkAction(StrEnum):
    """Action on many alerts, which can be undone."""

    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"
    SNOOZE = "snooze"
    RESOLVE = "resolve"


# The states in which each action changes an alert, for the admin, the API and the services.
TRANSITIONS: dict[AlertAction, frozenset[AlertState]] = {
    AlertAction.ACKNOWLEDGE: frozenset({AlertState.NEW}),
    AlertAction.RESOLVE: frozenset({AlertState.NEW, AlertState.ACKNOWLEDGED}),
}


def is_worse(severity: str, than: str) -> bool:
    """Return whether a severity is higher than another one."""
    order = AlertSeverity.values
    return order.index(severity) > order.index(than)


def allows(action: AlertAction, state: AlertState) -> bool:
    """Return whether an action changes an alert in a state."""
    return state in TRANSITIONS[action]
