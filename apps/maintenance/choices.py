from __future__ import annotations

from django.db import models


class MaintenanceType(models.TextChoices):
    """Why the work is done."""

    PREVENTIVE = "preventive", "Preventive"
    CORRECTIVE = "corrective", "Corrective"
    PREDICTIVE = "predictive", "Predictive"
    CONDITION_BASED = "condition_based", "Condition-based"
    EMERGENCY = "emergency", "Emergency"
    CALIBRATION = "calibration", "Calibration"
    INSPECTION = "inspection", "Inspection"
    CLEANING = "cleaning", "Cleaning"
    LUBRICATION = "lubrication", "Lubrication"
    REPLACEMENT = "replacement", "Replacement"
    UPGRADE = "upgrade", "Upgrade"
    CUSTOM = "custom", "Custom"


class MaintenancePriority(models.TextChoices):
    """How much it matters, least first."""

    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"


class MaintenanceStatus(models.TextChoices):
    """Where a task stands."""

    SCHEDULED = "scheduled", "Scheduled"
    PENDING = "pending", "Pending"
    IN_PROGRESS = "in_progress", "In progress"
    ON_HOLD = "on_hold", "On hold"
    REQUIRES_APPROVAL = "requires_approval", "Requires approval"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled"
    OVERDUE = "overdue", "Overdue"
