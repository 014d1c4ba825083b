"""Shorter retention that takes effect at once."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from apps.organizations.models import Organization
from apps.organizations.services.organizations import organization_update
from apps.organizations.services.scheduled_settings import scheduled_settings_apply


def apply_settings(organization: Any, settings: dict[str, Any]) -> None:
    """Change settings as if the notice period of shorter retention had passed."""
    organization_update(organization, settings=settings)
    scheduled = Organization.objects.filter(scheduled_settings_at__isnull=False)
    scheduled.update(scheduled_settings_at=timezone.now())
    scheduled_settings_apply(organization.pk)
    organization.refresh_from_db()
