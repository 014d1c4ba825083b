"""Create and change organizations."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.services.users import system_user_create
from apps.audit.services.checkpoints.writer import checkpoint_enqueue
from apps.organizations.models import Organization
from apps.organizations.models.settings import error_lines, merged_settings, settings_errors
from apps.organizations.services.scheduled_settings import shorter_retention_schedule
from urfmp.common.db.constraints import unique_error_on
from urfmp.common.tenancy.context import audit_action, switch_organization_transaction


def organization_create(
    *,
    name: str,
    slug: str,
    plan: str = "free",
    settings: dict[str, Any] | None = None,
    description: str | None = None,
) -> Organization:
    """Create an organization and its system user.

    The system user is the author of automatic changes. The rows are written in a tenant
    transaction of the new organization, whatever organization is open.

    Raises:
        ValidationError: A field is invalid, or the slug is taken.
    """
    organization = Organization(
        id=uuid.uuid4(),
        name=name,
        slug=slug,
        plan=plan,
        settings=settings or {},
        description=description,
    )
    # Validation cannot find a duplicate slug: other organizations' rows are invisible.
    with (
        unique_error_on(
            "slug", "An organization with this slug already exists.", "organizations_slug_key"
        ),
        switch_organization_transaction(organization.id),
        audit_action("organizations.organization.create"),
    ):
        _check_settings(organization.settings)
        organization.full_clean()
        organization.save(force_insert=True)
        system_user_create(organization_id=organization.id, slug=slug)
        transaction.on_commit(checkpoint_enqueue)
    return organization


def organization_update(
    organization: Organization,
    *,
    settings_changes: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Organization:
    """Change an organization's name, description or settings.

    Shorter retention takes effect a day later, see `services.scheduled_settings`. The row is
    locked, so that concurrent changes lose neither what is scheduled nor each other's settings.

    Args:
        organization: Organization to change.
        settings_changes: Settings to change by key; None resets one to its default.
        changes: New values of fields. `settings` replaces all settings.

    Raises:
        ValidationError: A field is invalid.
    """
    with audit_action("organizations.organization.update"):
        organization.refresh_from_db(
            from_queryset=Organization.objects.select_for_update(no_key=True)
        )
        if settings_changes is not None:
            changes["settings"] = merged_settings(organization.settings, settings_changes)
        written = list(changes)
        if "settings" in changes:  # settings stored before a rule existed do not block a rename
            _check_settings(changes["settings"])
            changes["settings"] = shorter_retention_schedule(organization, changes["settings"])
            written += ["scheduled_settings", "scheduled_settings_at"]
        for name, value in changes.items():
            setattr(organization, name, value)
        organization.full_clean()
        organization.save(update_fields=written)
        organization.refresh_from_db(fields=["updated_at"])
    return organization


def _check_settings(settings: Any) -> None:
    if errors := settings_errors(settings):
        raise ValidationError({"settings": error_lines(errors)})
