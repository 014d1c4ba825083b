from __future__ import annotations

from typing import Self

from django.db.models import F, Q

from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet, RobotScopedQuerySet


class AlertQuerySet(RobotScopedQuerySet):
    """Alerts of one organization."""

    def unresolved(self) -> Self:
        """Exclude resolved alerts."""
        return self.filter(is_resolved=False)


class AlertEventQuerySet(RobotScopedQuerySet):
    """Timelines of one organization's alerts."""

    robot_lookup = "alert__robot_id"


class AlertRuleQuerySet(OrganizationScopedQuerySet):
    """Alert rules; API keys bound to a robot see none."""

    def enabled(self) -> Self:
        """Exclude disabled rules."""
        return self.filter(is_enabled=True)


class AlertRuleStateQuerySet(RobotScopedQuerySet):
    """States of one organization's rules."""


class NotificationChannelQuerySet(OrganizationScopedQuerySet):
    """Channels of one organization."""


class NotificationRouteQuerySet(OrganizationScopedQuerySet):
    """Routes of one organization."""


class NotificationStepQuerySet(OrganizationScopedQuerySet):
    """Steps of routes; read with their routes."""


class SilenceQuerySet(OrganizationScopedQuerySet):
    """Silences of one organization."""


class DeliveryQuerySet(OrganizationScopedQuerySet):
    """Deliveries of one organization."""


class NotificationPreferenceQuerySet(OrganizationScopedQuerySet):
    """Preferences of users; each user changes their own."""


class PushKeyQuerySet(OrganizationScopedQuerySet):
    """Key pairs for push services, one for each organization."""


class PushSubscriptionQuerySet(OrganizationScopedQuerySet):
    """Browsers that receive push messages; each user changes their own."""

    def active(self) -> Self:
        """Exclude those that ended with the user's trusted devices."""
        reset_at = F("user__trusted_devices_reset_at")
        is_kept = Q(user__trusted_devices_reset_at=None) | Q(created_at__gt=reset_at)
        return self.filter(is_kept, user__is_active=True)
