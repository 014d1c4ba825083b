"""Super admins, who can work in organizations other than their own."""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

PLATFORM_STAFF_NAME = "URFMP platform staff"


class PlatformStaffMixin:
    """Mixin that lets a user act in another organization for one request.

    Attributes:
        home_organization_id: Organization of the user's row while they act in another; else None.
    """

    home_organization_id: UUID | None = None
    organization_id: Any
    _state: Any

    @classmethod
    def placeholder_for(cls, key: UUID) -> Self:
        """Return an unsaved user in place of one that row-level security hides.

        Only super admins act outside their own organization, so the hidden user is one of them.
        """
        fields: dict[str, Any] = {"first_name": PLATFORM_STAFF_NAME, "role": "custom"}
        return cls(pk=key, is_active=False, **fields)  # type: ignore[call-arg]

    def switch_organization(self, organization_id: UUID) -> None:
        """Act in another organization for the rest of the request.

        Nothing is saved. The user's own row is not visible from the other organization.

        Args:
            organization_id: Organization to act in.
        """
        self.home_organization_id = self.organization_id
        self.organization_id = organization_id
        self._state.fields_cache.pop("organization", None)
