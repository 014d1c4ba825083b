from __future__ import annotations

from urfmp.common.querysets import OrganizationScopedQuerySet, RobotScopedQuerySet


class UserQuerySet(OrganizationScopedQuerySet):
    """People of one organization."""


class UserSessionQuerySet(OrganizationScopedQuerySet):
    """Sign-ins of one organization's people."""


class ApiKeyQuerySet(RobotScopedQuerySet):
    """Keys of one organization; a device key sees its own robot's."""
