from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet, RobotScopedQuerySet


class UserQuerySet(OrganizationScopedQuerySet):
    """People of one organization."""

    def signing_in(self) -> Self:
        """Return those who may be signed in, with their organization: both are active."""
        rows = self.filter(is_active=True, organization__is_active=True)
        return rows.select_related("organization")


class UserSessionQuerySet(OrganizationScopedQuerySet):
    """Sign-ins of one organization's people."""

    def of_person(self, user: Any) -> Self:
        """Return a person's own sign-ins, which they may see and end whatever their role is."""
        return self.filter(organization_id=user.organization_id, user_id=user.pk)

    def sign_ins(self) -> Self:
        """Return one row for each sign-in: a browser's session, or the root of a token family."""
        return self.filter(Q(family=None) | Q(family=F("pk")))

    def alive(self) -> Self:
        """Return those that have not ended; a browser's ends after an hour of silence, too."""
        now = timezone.now()
        is_used = Q(last_activity_at__gt=now - settings.SESSION_IDLE) | ~Q(family=None)
        return self.filter(is_used, expires_at__gt=now)

    def note_activity(self) -> None:
        """Write down that these are in use now; a row that somebody holds is left to them."""
        free = list(self.select_for_update(skip_locked=True).values_list("pk", flat=True))
        self.model._default_manager.filter(pk__in=free).update(last_activity_at=timezone.now())


class ApiKeyQuerySet(RobotScopedQuerySet):
    """Keys of one organization; a device key sees its own robot's."""


class SecondFactorQuerySet(OrganizationScopedQuerySet):
    """Second factors of one organization's people."""


class OneTimeLinkQuerySet(OrganizationScopedQuerySet):
    """Links that one organization's people were sent."""


class InvitationQuerySet(OrganizationScopedQuerySet):
    """People whom one organization has invited."""


class IdempotencyRecordQuerySet(OrganizationScopedQuerySet):
    """Answers kept for one organization's clients; each is read by its own client alone."""
