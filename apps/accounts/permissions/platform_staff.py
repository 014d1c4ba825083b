"""People who work outside of their own organization: the platform's super admins."""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

PLATFORM_STAFF = "URFMP platform staff"


class Roaming:
    """What a person needs for that.

    Attributes:
        home_organization_id: Where a super admin's row is, while they work in another organization.
    """

    home_organization_id: UUID | None = None
    organization_id: Any
    _state: Any

    @classmethod
    def behind_the_wall(cls, key: UUID) -> Self:
        """Return what stands for a person whose row the open organization does not see.

        Only super admins act outside their own organization.
        """
        fields: dict[str, Any] = {"first_name": PLATFORM_STAFF, "role": "custom"}
        return cls(pk=key, is_active=False, **fields)  # type: ignore[call-arg]

    def work_in(self, organization_id: UUID) -> None:
        """See and act in another organization for the length of a request.

        Nothing of this is stored: the row stays where it is, and is not visible from there.
        """
        self.home_organization_id = self.organization_id
        self.organization_id = organization_id
        self._state.fields_cache.pop("organization", None)
