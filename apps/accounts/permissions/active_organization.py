"""The organization that a super admin has switched to.

A super admin's own row belongs to the platform organization. The session's data stores the active
organization. The middleware and the live streams look the user up in the platform organization and
then open the tenant transaction of the active one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.accounts.choices import Role

SESSION_KEY = "chosen_organization"


@dataclass(frozen=True)
class ActiveOrganization:
    """Organization that a super admin works in.

    Attributes:
        id: Id of the organization.
        name: Name of the organization at the time of the switch.
    """

    id: UUID
    name: str


def active_organization_from_session(
    user: Any, data: Mapping[str, Any]
) -> ActiveOrganization | None:
    """Return the active organization of a session; None if there is none.

    Args:
        user: User of the session; only super admins can switch organizations.
        data: Data of the session.
    """
    found = data.get(SESSION_KEY)
    if not found or user.role != Role.SUPER_ADMIN:
        return None
    return ActiveOrganization(UUID(found["id"]), found["name"])
