"""Changes to organizations and facilities."""

from __future__ import annotations

import uuid
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.accounts.services.users import system_user_create
from apps.audit.services.audit_logs import audit_checkpoint_order
from apps.organizations.exceptions import FacilityInUseError
from apps.organizations.models import Facility, Organization
from apps.organizations.settings_schema import fault_lines, settings_faults
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


def _name_must_be_free() -> AbstractContextManager[None]:
    return must_be_free("name", "Another facility has this name.")


def _check_floor_plan(plan: Any) -> None:
    if plan is None:
        return
    sides = plan.values() if isinstance(plan, dict) else ()
    fits = set(plan) == {"width_m", "height_m"} if isinstance(plan, dict) else False
    if not fits or not all(type(side) in {int, float} and 0 < side <= 1e6 for side in sides):
        raise ValidationError({"floor_plan": "Write {width_m, height_m}, each in metres."})


def facility_create(*, organization_id: UUID, **fields: Any) -> Facility:
    """Add a facility.

    Raises:
        ValidationError: A field does not fit, or the name is taken.
    """
    facility = Facility(organization_id=organization_id, **fields)
    with _name_must_be_free(), act("organizations.facility.create"):
        _check_floor_plan(facility.floor_plan)
        facility.full_clean()
        facility.save(force_insert=True)
    return facility


def facility_update(facility: Facility, **changes: Any) -> Facility:
    """Change a facility.

    Raises:
        ValidationError: A field does not fit, or the name is taken.
    """
    with _name_must_be_free(), act("organizations.facility.update"):
        for name, value in changes.items():
            setattr(facility, name, value)
        _check_floor_plan(facility.floor_plan)
        facility.full_clean()
        facility.save(update_fields=list(changes))
        facility.refresh_from_db(fields=["updated_at"])
    return facility


def facility_delete(facility: Facility) -> None:
    """Remove a facility.

    Raises:
        FacilityInUseError: Robots stand in it.
    """
    try:
        with act("organizations.facility.delete"):
            facility.delete()
    except IntegrityError as error:
        raise FacilityInUseError from error
