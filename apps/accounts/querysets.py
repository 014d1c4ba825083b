from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet, RobotScopedQuerySet


class UserQuerySet(OrganizationScopedQuerySet):
    """Users of one organization."""

    def able_to_log_in(self) -> Self:
        """Return active users of active organizations, joined with the organization."""
        rows = self.filter(is_active=True, organization__is_active=True)
        return rows.select_related("organization")


class UserSessionQuerySet(OrganizationScopedQuerySet):
    """Sessions of one organization's users."""

    def of_user(self, user: Any) -> Self:
        """Return a user's own sessions, which any role may read and revoke."""
        return self.filter(organization_id=user.organization_id, user_id=user.pk)

    def roots(self) -> Self:
        """Return one row per session: browser sessions and roots of token families."""
        return self.filter(Q(family=None) | Q(family=F("pk")))

    def active(self) -> Self:
        """Return sessions that are not expired.

        A browser session also expires after `SESSION_IDLE` without activity.
        """
        now = timezone.now()
        is_used = Q(last_activity_at__gt=now - settings.SESSION_IDLE) | ~Q(family=None)
        return self.filter(is_used, expires_at__gt=now)

    def record_activity(self) -> None:
        """Set the last activity to now, skipping locked rows."""
        free = list(self.select_for_update(skip_locked=True).values_list("pk", flat=True))
        self.model._default_manager.filter(pk__in=free).update(last_activity_at=timezone.now())


class ApiKeyQuerySet(RobotScopedQuerySet):
    """API keys of one organization; device keys read their robot's keys."""


class SecondFactorQuerySet(OrganizationScopedQuerySet):
    """Second factors of one organization's users."""


class OneTimeLinkQuerySet(OrganizationScopedQuerySet):
    """One-time links of one organization's users."""


class InvitationQuerySet(OrganizationScopedQuerySet):
    """Invitations into one organization."""


class IdempotencyRecordQuerySet(OrganizationScopedQuerySet):
    """Stored responses for one organization's clients.

    A response is repeated only to the principal that sent the first request.
    """
