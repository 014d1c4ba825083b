from __future__ import annotations

from django.db import models


class Plan(models.TextChoices):
    """What an organization has subscribed to."""

    FREE = "free", "Free"
    STARTER = "starter", "Starter"
    PROFESSIONAL = "professional", "Professional"
    ENTERPRISE = "enterprise", "Enterprise"
    CUSTOM = "custom", "Custom"
