"""The organization that a super admin has chosen to work in.

A super admin's own rows are the platform's. The sign-in's data names the chosen organization; the
middleware and the streams look the person up at home and then open the chosen one's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.accounts.choices import Role

CHOSEN = "chosen_organization"


@dataclass(frozen=True)
class ChosenOrganization:
    """Where a super admin works; the name is that of the time of the choice."""

    id: UUID
    name: str


def chosen_by(user: Any, data: Mapping[str, Any]) -> ChosenOrganization | None:
    """Return what a sign-in's data names; it counts for super admins alone."""
    found = data.get(CHOSEN)
    if not found or user.role != Role.SUPER_ADMIN:
        return None
    return ChosenOrganization(UUID(found["id"]), found["name"])
