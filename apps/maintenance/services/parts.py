"""Changes to the catalogue of parts and their places."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError

from apps.maintenance.models import Part, PartStock
from apps.maintenance.models.parts import SAME_PLACE_MESSAGE
from urfmp.common.db.constraints import unique_error_on
from urfmp.common.tenancy.context import audit_action


def _unique_number() -> AbstractContextManager[None]:
    return unique_error_on(
        "number", "A part with this number already exists.", "parts_organization_number_key"
    )


def _unique_place() -> AbstractContextManager[None]:
    return unique_error_on("storage_location", SAME_PLACE_MESSAGE, "part_stocks_place_key")


def part_create(*, organization_id: UUID, **fields: Any) -> Part:
    """Add a part to the catalogue.

    Raises:
        ValidationError: A field is invalid, or the number is taken.
    """
    part = Part(organization_id=organization_id, **fields)
    with _unique_number(), audit_action("maintenance.part.create"):
        part.full_clean()
        part.save(force_insert=True)
    return part


def part_update(part: Part, **changes: Any) -> Part:
    """Change a part; tasks keep the unit cost they used.

    Raises:
        ValidationError: A field is invalid, or the number is taken.
    """
    with _unique_number(), audit_action("maintenance.part.update"):
        for name, value in changes.items():
            setattr(part, name, value)
        part.full_clean()
        part.save(update_fields=list(changes))
        part.refresh_from_db(fields=["updated_at"])
    return part


def part_stock_create(*, organization_id: UUID, **fields: Any) -> PartStock:
    """Add a place where a part is kept, with nothing in it.

    Raises:
        ValidationError: A field is invalid, a reference belongs to another organization, the part
            is inactive, or it already has a stock in this place.
    """
    stock = PartStock(organization_id=organization_id, **fields)
    with _unique_place(), audit_action("maintenance.part_stock.create"):
        if stock.part.organization_id != organization_id:
            raise ValidationError({"part": "Part not found."})
        if not stock.part.is_active:
            raise ValidationError({"part": "The part is inactive. Activate it first."})
        _check(stock)
        stock.save(force_insert=True)
    return stock


def part_stock_update(stock: PartStock, **changes: Any) -> PartStock:
    """Rename a place, or move all that it holds to another facility.

    The quantities are left out of the update, so that it cannot overwrite a parallel movement.

    Raises:
        ValidationError: A field is invalid, the facility belongs to another organization, or the
            part already has a stock in the new place.
    """
    with _unique_place(), audit_action("maintenance.part_stock.update"):
        for name, value in changes.items():
            setattr(stock, name, value)
        _check(stock)
        stock.save(update_fields=list(changes))
        stock.refresh_from_db(fields=["updated_at", "quantity", "reserved"])
    return stock


def _check(stock: PartStock) -> None:
    if stock.facility.organization_id != stock.organization_id:
        raise ValidationError({"facility": "Facility not found."})
    stock.full_clean()
