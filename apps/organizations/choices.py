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
