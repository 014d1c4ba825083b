from __future__ import annotations

from enum import StrEnum

from django.db import models


class RuleScope(models.TextChoices):
    """The robots to which a rule applies, widest first."""

    ORGANIZATION = "organization", "All robots"
    FACILITY = "facility", "Robots of a facility"
    MODEL = "model", "Robots of a model"
    ROBOT = "robot", "One robot"


class RuleKind(models.TextChoices):
    """What a rule observes."""

    METRIC = "metric", "Metric"
    STATUS = "status", "Status"
    CONNECTIVITY = "connectivity", "Connection"
    COMMAND = "command", "Commands"
    MAINTENANCE = "maintenance", "Maintenance"
    SECURITY = "security", "Security"
    SYSTEM = "system", "System"


# Kinds whose rules observe the organization or the platform, not robots.
ORGANIZATION_KINDS = (RuleKind.SECURITY, RuleKind.SYSTEM)


class RuleState(models.TextChoices):
    """State of a rule for one robot."""

    NORMAL = "normal", "Normal"
    PENDING = "pending", "Pending"
    FIRING = "firing", "Firing"
    RECOVERING = "recovering", "Recovering"
    NO_DATA = "no_data", "No data"
    ERROR = "error", "Error"


class Comparison(models.TextChoices):
    """Comparison of a value with a limit."""

    ABOVE = ">", "above"
    AT_LEAST = ">=", "at least"
    BELOW = "<", "below"
    AT_MOST = "<=", "at most"
    EQUAL = "==", "equal to"
    NOT_EQUAL = "!=", "different from"


class NoDataAction(models.TextChoices):
    """What missing data does to a rule on metrics."""

    KEEP = "keep", "Keep the last state"
    ALERT = "alert", "Open an alert"
    RESOLVE = "resolve", "Resolve the alert"


class CommandOutcome(models.TextChoices):
    """Outcome of commands that a rule counts."""

    UNKNOWN = "unknown", "Outcome unknown"
    FAILED = "failed", "Failed"
    REJECTED = "rejected", "Rejected by the robot"


class SecurityEvent(models.TextChoices):
    """Events of the audit log that a rule counts."""

    FAILED_LOGIN = "failed_login", "Failed logins"
    REFRESH_TOKEN_REUSE = "refresh_token_reuse", "Reused refresh tokens"
    ACCESS_DENIED = "access_denied", "Denied requests"


class SystemMeasure(models.TextChoices):
    """Times that a rule observes, in seconds."""

    QUEUE_AGE = "queue_age", "Oldest waiting job"
    UNDELIVERED_AGE = "undelivered_age", "Oldest undelivered notification"


class ClauseMeasure(StrEnum):
    """What a clause of a condition compares."""

    VALUE = "value"
    RATE = "rate"
    NO_DATA = "no_data"
