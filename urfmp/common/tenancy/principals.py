"""What visibility asks of a user or API key."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID


class Principal(Protocol):
    """Who asks: a person, an API key, or nobody.

    Attributes:
        organization_id: The organization whose rows the principal works with.
        robot_id: The one robot that a device key speaks for.
    """

    is_authenticated: bool
    is_active: bool
    organization_id: UUID | None
    robot_id: UUID | None

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Tell whether the principal's role or scopes grant `app.action_model`."""
        ...
