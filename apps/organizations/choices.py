from __future__ import annotations

from django.db import models

# The largest value of the limit columns, which are PostgreSQL integers.
MAX_PLAN_LIMIT = 2_147_483_647


class Plan(models.TextChoices):
    """Subscription plan of an organization."""

    FREE = "free", "Free"
    STARTER = "starter", "Starter"
    PROFESSIONAL = "professional", "Professional"
    ENTERPRISE = "enterprise", "Enterprise"
    CUSTOM = "custom", "Custom"


class PlanMediaType(models.TextChoices):
    """Format of a stored floor plan."""

    PNG = "image/png", "PNG"
    JPEG = "image/jpeg", "JPEG"
    SVG = "image/svg+xml", "SVG"


class MaintenanceType(models.TextChoices):
    """Kind of maintenance work; settings of organizations name some."""

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
