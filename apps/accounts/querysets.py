from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.utils import timezone

from urfmp.common.querysets import OrganizationScopedQuerySet, RobotScopedQuerySet


class UserQuerySet(OrganizationScopedQuerySet):
    """People of one organization."""


class UserSessionQuerySet(OrganizationScopedQuerySet):
    """Sign-ins of one organization's people."""

    def of_person(self, user: Any) -> Self:
        """Return a person's own sign-ins, which they may see and end whatever their role is."""
        return self.filter(organization_id=user.organization_id, user_id=user.pk)

    def alive(self) -> Self:
        """Return those that have neither ended nor been silent for too long."""
        now = timezone.now()
        return self.filter(expires_at__gt=now, last_activity_at__gt=now - settings.SESSION_IDLE)


class ApiKeyQuerySet(RobotScopedQuerySet):
    """Keys of one organization; a device key sees its own robot's."""
