"""The limit before which an organization's points are too old."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from apps.organizations.models import Organization
from apps.organizations.models.settings import MAX_TELEMETRY_RETENTION_DAYS
from urfmp.common.tenancy.context import tenant_transaction

# A changed setting reaches ingest within this time.
_CACHE_TTL_SECONDS = 10.0


def retention_since(days: int, now: datetime) -> datetime:
    """Return the midnight (UTC) at which retention starts.

    The SQL function `retention_since` computes the same for the run that deletes points.

    Args:
        days: Days for which points are kept.
        now: Current time.
    """
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days)


class _RetentionCache:
    """Caches retention days by organization: every batch needs them."""

    def __init__(self) -> None:
        self._days: dict[UUID, tuple[float, int]] = {}

    def days(self, organization_id: UUID) -> int:
        """Return how many days an organization keeps its points."""
        expires_at, days = self._days.get(organization_id, (0.0, 0))
        now = time.monotonic()
        if expires_at < now:
            with tenant_transaction(organization_id):
                row = Organization.objects.unscoped(reason="its own limit").filter(
                    pk=organization_id
                )
                organization = row.only("settings").first()
            days = (
                organization.effective_settings.telemetry_retention_days
                if organization
                else MAX_TELEMETRY_RETENTION_DAYS
            )
            self._days[organization_id] = (now + _CACHE_TTL_SECONDS, days)
        return days

    def invalidate(self) -> None:
        """Clear the cache."""
        self._days.clear()


_retention_cache = _RetentionCache()
invalidate_retention_cache = _retention_cache.invalidate


def telemetry_kept_since(organization_id: UUID, now: datetime) -> datetime:
    """Return the oldest time whose points an organization keeps.

    Older points are rejected. The setting is cached for some seconds in each process; on a cache
    miss this opens a tenant transaction.
    """
    days = _retention_cache.days(organization_id)
    return max(retention_since(days, now), now - timedelta(days=MAX_TELEMETRY_RETENTION_DAYS))
