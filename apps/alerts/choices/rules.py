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


class ClauseMeasure(StrEnum):
    """What a clause of a condition compares."""

    VALUE = "value"
    RATE = "rate"
    NO_DATA = "no_data"
