from __future__ import annotations

from django.db import models


class AlertEventKind(models.TextChoices):
    """What happened to an alert."""

    OPENED = "opened", "Opened"
    REOCCURRED = "reoccurred", "Reported again"
    SEVERITY_RAISED = "severity_raised", "Severity raised"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    ASSIGNED = "assigned", "Assigned"
    COMMENTED = "commented", "Comment"
    SNOOZED = "snoozed", "Snoozed"
    UNACKNOWLEDGED = "unacknowledged", "Acknowledgement undone"
    UNSNOOZED = "unsnoozed", "Snooze undone"
    RESOLVED = "resolved", "Resolved"
    REOPENED = "reopened", "Reopened"
