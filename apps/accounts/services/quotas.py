"""Plan limits on an organization's active robots, users and API keys.

Rows are counted while the organization's row is locked, so of two concurrent requests for the last
unit of a quota one is rejected. A smaller plan does not remove existing rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection
from django.db.models import Model

from apps.accounts.exceptions import PlanLimitError

RESOURCES = ("robots", "users", "api_keys")

# None is unlimited. The limits of a custom plan are columns of the organization.
PLAN_LIMITS: dict[str, dict[str, int | None]] = {
    "free": {"robots": 10, "users": 5, "api_keys": 20},
    "starter": {"robots": 25, "users": 25, "api_keys": 60},
    "professional": {"robots": 100, "users": 100, "api_keys": 250},
    "enterprise": {"robots": None, "users": None, "api_keys": None},
}
LIMIT_COLUMNS = {"robots": "robot_limit", "users": "user_limit", "api_keys": "api_key_limit"}

_LABELS = {"robots": "robots", "users": "users", "api_keys": "API keys"}
_REMEDIES = {
    "robots": "Retire one",
    "users": "Deactivate a user, or revoke an invitation",
    "api_keys": "Revoke one",
}
_IN_USE = {
    "robots": "SELECT count(*) FROM robots WHERE organization_id = %(organization)s AND is_active",
    "users": "SELECT (SELECT count(*) FROM users WHERE organization_id = %(organization)s"
    " AND is_active AND NOT is_system) + (SELECT count(*) FROM invitations"
    " WHERE organization_id = %(organization)s AND expires_at > now())",
    # A key and its successor count as one while both are valid.
    "api_keys": "SELECT count(*) FROM api_keys k WHERE organization_id = %(organization)s"
    " AND is_active AND (expires_at IS NULL OR expires_at > now())"
    " AND NOT EXISTS (SELECT FROM api_keys s WHERE s.replaces_id = k.id AND s.is_active"
    " AND (s.expires_at IS NULL OR s.expires_at > now()))",
}


@dataclass(frozen=True)
class Usage:
    """Usage of one quota.

    Attributes:
        resource: One of `RESOURCES`.
        used: Number in use.
        limit: Maximum that the plan allows; None for no limit.
    """

    resource: str
    used: int
    limit: int | None

    @property
    def label(self) -> str:
        """Name of the resource in the plural."""
        return _LABELS[self.resource]

    def __str__(self) -> str:
        if self.limit is not None:
            return f"{self.used} of {self.limit} {self.label}"
        return f"{self.used} {self.label.removesuffix('s') if self.used == 1 else self.label}"


def quota_limits(organization: Any) -> dict[str, int | None]:
    """Return the limits of an organization's plan by resource."""
    if organization.plan == "custom":
        return {name: getattr(organization, column) for name, column in LIMIT_COLUMNS.items()}
    return PLAN_LIMITS[organization.plan or "free"]


def quota_usage(organization: Any) -> list[Usage]:
    """Return the usage of each quota.

    It runs one query; call it inside the organization's tenant transaction.
    """
    counts = ", ".join(f"({_IN_USE[name]})" for name in RESOURCES)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counts}", {"organization": organization.pk})
        used = cursor.fetchone()
    limits = quota_limits(organization)
    return [Usage(name, count, limits[name]) for name, count in zip(RESOURCES, used, strict=True)]


def _organization_model() -> type[Model]:
    return apps.get_model("organizations", "Organization")


def reserve_quota(organization_id: UUID, resource: str, *, count: int = 1) -> None:
    """Reserve part of a quota until the transaction ends.

    Call it in the transaction that adds the row, before it is added. If the plan has a limit, the
    organization's row is locked, so concurrent requests are counted one after the other. A row that
    becomes active again must be locked before this call, never after it.

    Args:
        organization_id: Organization whose plan applies.
        resource: One of `RESOURCES`.
        count: Number of rows about to be added.

    Raises:
        PlanLimitError: The plan does not allow as many.
    """
    rows: Any = _organization_model()._default_manager
    if quota_limits(rows.get(pk=organization_id))[resource] is None:
        return  # a concurrent change to a smaller plan keeps existing rows
    organization = rows.select_for_update(no_key=True).get(pk=organization_id)
    limit = quota_limits(organization)[resource]
    if limit is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(_IN_USE[resource], {"organization": organization_id})
        used = cursor.fetchone()[0]
    if used + count > limit:
        msg = (
            f"The plan {organization.get_plan_display()} allows {limit} {_LABELS[resource]}, and"
            f" {used} are in use. {_REMEDIES[resource]}, or ask for a larger plan."
        )
        raise PlanLimitError(msg, plan=organization.plan, resource=resource, limit=limit, used=used)
