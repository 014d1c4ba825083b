"""Create, change and delete facilities."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from psycopg.errors import ForeignKeyViolation

from apps.organizations.exceptions import FacilityInUseError
from apps.organizations.models import Facility
from urfmp.common.db.constraints import unique_error_on
from urfmp.common.tenancy.context import audit_action

_MAX_SIDE_METRES = 1e6


def _unique_name() -> AbstractContextManager[None]:
    return unique_error_on(
        "name", "A facility with this name already exists.", "facilities_organization_name_key"
    )


def _check_floor_plan(plan: Any) -> None:
    if plan is None:
        return
    sides = plan.values() if isinstance(plan, dict) else ()
    has_keys = set(plan) == {"width_m", "height_m"} if isinstance(plan, dict) else False
    if not has_keys or not all(
        type(side) in {int, float} and 0 < side <= _MAX_SIDE_METRES for side in sides
    ):
        raise ValidationError({"floor_plan": "Enter {width_m, height_m}, both in metres."})


def facility_create(*, organization_id: UUID, **fields: Any) -> Facility:
    """Create a facility.

    Raises:
        ValidationError: A field is invalid, or the name is taken.
    """
    facility = Facility(organization_id=organization_id, **fields)
    with _unique_name(), audit_action("organizations.facility.create"):
        _check_floor_plan(facility.floor_plan)
        facility.full_clean()
        facility.save(force_insert=True)
    return facility


def facility_update(facility: Facility, **changes: Any) -> Facility:
    """Change a facility.

    Raises:
        ValidationError: A field is invalid, or the name is taken.
    """
    with _unique_name(), audit_action("organizations.facility.update"):
        for name, value in changes.items():
            setattr(facility, name, value)
        _check_floor_plan(facility.floor_plan)
        facility.full_clean()
        facility.save(update_fields=list(changes))
        facility.refresh_from_db(fields=["updated_at"])
    return facility


def facility_delete(facility: Facility) -> None:
    """Delete a facility.

    Raises:
        FacilityInUseError: Robots are located in the facility, or parts are stored in it.
    """
    try:
        with audit_action("organizations.facility.delete"):
            facility.delete()
    except IntegrityError as error:
        # Raised by the trigger `keep_facility_of_robots`, or by the reference of stored parts.
        if not isinstance(error.__cause__, ForeignKeyViolation):
            raise
        raise FacilityInUseError from error
