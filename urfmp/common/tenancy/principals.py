"""The interface of users and API keys that visibility needs."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID


class Principal(Protocol):
    """The principal: a user, an API key or an anonymous user.

    Attributes:
        organization_id: Organization whose rows the principal may access.
        robot_id: Robot that a device key is bound to.
    """

    is_authenticated: bool
    is_active: bool
    organization_id: UUID | None
    robot_id: UUID | None

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Return whether the principal's role or scopes grant `app.action_model`."""
        ...
