"""Changes to organizations and facilities."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.services.users import system_user_create
from apps.audit.services.checkpoints import audit_checkpoint_order
from apps.organizations.models import Organization
from apps.organizations.models.settings import fault_lines, settings_faults
from urfmp.common.db.constraints import must_be_free
from urfmp.common.tenancy.context import act, crossing_transaction


def organization_create(
    *,
    name: str,
    slug: str,
    plan: str = "free",
    settings: dict[str, Any] | None = None,
    description: str | None = None,
) -> Organization:
    """Make a tenant, with the system user that is the author of what no person does.

    Enters its own tenant transaction: nobody can be inside an organization that does not exist.

    Raises:
        ValidationError: A field does not fit, or the slug is taken.
    """
    organization = Organization(
        id=uuid.uuid4(),
        name=name,
        slug=slug,
        plan=plan,
        settings=settings or {},
        description=description,
    )
    # Validation cannot see another organization's row.
    with (
        must_be_free("slug", "This slug is taken."),
        crossing_transaction(organization.id),
        act("organizations.organization.create"),
    ):
        _check_settings(organization)
        organization.full_clean()
        organization.save(force_insert=True)
        system_user_create(organization_id=organization.id, slug=slug)
        transaction.on_commit(audit_checkpoint_order)
    return organization


def organization_update(organization: Organization, **changes: Any) -> Organization:
    """Change an organization's name, description or settings.

    Raises:
        ValidationError: A field does not fit.
    """
    with act("organizations.organization.update"):
        for name, value in changes.items():
            setattr(organization, name, value)
        if "settings" in changes:  # a row from before a rule can still be renamed
            _check_settings(organization)
        organization.full_clean()
        organization.save(update_fields=list(changes))
        organization.refresh_from_db(fields=["updated_at"])
    return organization


def _check_settings(organization: Organization) -> None:
    if faults := settings_faults(organization.settings):
        raise ValidationError({"settings": fault_lines(faults)})
