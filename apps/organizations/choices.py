from __future__ import annotations

from django.db import models


class Plan(models.TextChoices):
    """Subscription plan of an organization."""

    FREE = "free", "Free"
    STARTER = "starter", "Starter"
    PROFESSIONAL = "professional", "Professional"
    ENTERPRISE = "enterprise", "Enterprise"
    CUSTOM = "custom", "Custom"
