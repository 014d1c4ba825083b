"""Bounds of the status history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apps.organizations.models import Organization


def status_history_kept_since(organization: Organization, now: datetime) -> datetime:
    """Return the midnight (UTC) from which an organization keeps status history."""
    days = organization.effective_settings.status_history_retention_days
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=days)
