"""Parts, their stocks and movements, and what tasks use."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from apps.maintenance.choices import TASK_MOVEMENTS, PartMovementKind, StockState
from apps.maintenance.querysets import (
    PartMovementQuerySet,
    PartQuerySet,
    PartStockQuerySet,
    TaskPartQuerySet,
)
from urfmp.common.db.fields import (
    TransactionTimestamp,
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.db.names import IdentifierField, NameField, identifier_check, name_check
from urfmp.common.tenancy.models import TenantModel

# Upper limit of one quantity, of a stock and of a unit cost.
MAX_QUANTITY = Decimal(1_000_000)
MAX_UNIT_COST = Decimal(1_000_000)
SAME_PLACE_MESSAGE = "The part already has a stock in this place."


def quantity_field(**kwargs: Any) -> models.DecimalField[Any, Any]:
    """Return a column for a quantity in the part's unit."""
    return models.DecimalField(
        max_digits=12,
        decimal_places=3,
        default=Decimal(0),
        db_default=Decimal(0),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(MAX_QUANTITY)],
        **kwargs,
    )


def _range_check(table: str, column: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(**{f"{column}__range": (0, MAX_QUANTITY)}),
        name=f"{table}_{column}_range_check",
    )


def _internal_fk(to: str, **kwargs: Any) -> Any:
    """Return a reference whose constraint and ON DELETE are SQL."""
    kwargs.setdefault("related_name", "+")
    return models.ForeignKey(
        to, models.DO_NOTHING, db_constraint=False, db_index=False, editable=False, **kwargs
    )


class Part(TenantModel):
    """A spare part or consumable in the organization's catalogue.

    Inactive parts keep their stock and history, but no more are received or reserved.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    number = IdentifierField(max_length=100, help_text="The manufacturer's or your own number.")
    name = NameField(max_length=255)
    unit = IdentifierField(
        max_length=20, default="pcs", db_default="pcs", help_text="What a quantity counts: pcs, l."
    )
    unit_cost = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(MAX_UNIT_COST)],
        help_text="Cost of one unit in the organization's currency.",
    )
    minimum_quantity = quantity_field(
        help_text="Below this available quantity, in all places together, the part is low."
    )
    is_active = models.BooleanField("active", default=True, db_default=True)
    created_at = created_at()
    updated_at = updated_at()

    objects: ClassVar[Any] = PartQuerySet.as_manager()

    class Meta:
        db_table = "parts"
        ordering = ("number", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "number"), name="parts_organization_number_key"
            ),
            models.UniqueConstraint(
                fields=("organization", "id"), name="parts_organization_id_key"
            ),
            identifier_check("parts", "number"),
            name_check("parts", "name"),
            identifier_check("parts", "unit"),
            models.CheckConstraint(
                condition=Q(unit_cost__range=(0, MAX_UNIT_COST)), name="parts_unit_cost_range_check"
            ),
            _range_check("parts", "minimum_quantity"),
        )

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


class PartStock(TenantModel):
    """The stock of one part in one place.

    `quantity` is on hand, including what tasks have `reserved`. Movements alone change both.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    part = unconstrained_fk("maintenance.Part", related_name="stocks")
    facility = unconstrained_fk("organizations.Facility", on_delete=models.DO_NOTHING)
    storage_location = NameField(
        max_length=100, help_text='Name of the shelf, cabinet or bin, as in "Cabinet 3, shelf B".'
    )
    quantity = quantity_field(editable=False)
    reserved = quantity_field(editable=False)
    created_at = created_at()
    updated_at = updated_at()

    objects: ClassVar[Any] = PartStockQuerySet.as_manager()

    class Meta:
        db_table = "part_stocks"
        verbose_name = "stock"
        ordering = ("storage_location", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("part", "facility", "storage_location"),
                name="part_stocks_place_key",
                violation_error_message=SAME_PLACE_MESSAGE,
            ),
            models.UniqueConstraint(
                fields=("organization", "id"), name="part_stocks_organization_id_key"
            ),
            name_check("part_stocks", "storage_location"),
            _range_check("part_stocks", "quantity"),
            models.CheckConstraint(
                condition=Q(reserved__gte=0, reserved__lte=F("quantity")),
                name="part_stocks_reserved_check",
            ),
        )
        indexes = (
            models.Index(fields=("organization",), name="idx_part_stocks_organization"),
            models.Index(fields=("facility",), name="idx_part_stocks_facility"),
        )

    def __str__(self) -> str:
        return f"{self.part} in {self.storage_location}"

    @property
    def available(self) -> Decimal:
        """The quantity that no task has reserved."""
        available: Decimal = self.quantity - self.reserved
        return available


class PartMovement(TenantModel):
    """A change of a stock, as the ledger keeps it.

    `quantity` is what was entered. `quantity_after` and `reserved_after` are the stock's figures
    after the movement. A task that is deleted leaves its movements.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    part = unconstrained_fk("maintenance.Part", editable=False)
    stock = unconstrained_fk("maintenance.PartStock")
    task = unconstrained_fk(
        "maintenance.MaintenanceTask", null=True, blank=True, on_delete=models.DO_NOTHING
    )
    kind = models.CharField(max_length=10, choices=PartMovementKind)
    quantity = quantity_field(help_text="In the part's unit; for a count, what was counted.")
    quantity_after = quantity_field(editable=False)
    reserved_after = quantity_field(editable=False)
    reason = models.TextField(null=True, blank=True)  # noqa: DJ001 - NULL: none given
    user = unconstrained_fk("accounts.User", null=True, editable=False)
    created_at = models.DateTimeField(db_default=TransactionTimestamp(), editable=False)

    objects: ClassVar[Any] = PartMovementQuerySet.as_manager()

    class Meta:
        db_table = "part_movements"
        ordering = ("-created_at", "-id")
        constraints = (
            choices_check("part_movements", "kind", PartMovementKind),
            _range_check("part_movements", "quantity"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0) | Q(kind=PartMovementKind.COUNT),
                name="part_movements_positive_check",
            ),
            # Without a task is also the movement of a task that was deleted.
            models.CheckConstraint(
                condition=Q(task__isnull=True) | Q(kind__in=TASK_MOVEMENTS),
                name="part_movements_task_check",
            ),
            models.CheckConstraint(
                condition=~Q(kind=PartMovementKind.COUNT) | Q(reason__isnull=False),
                name="part_movements_reason_check",
            ),
        )
        indexes = (
            models.Index(fields=("organization", "created_at"), name="idx_part_movements_created"),
            models.Index(fields=("part", "created_at"), name="idx_part_movements_part"),
            models.Index(fields=("stock", "created_at"), name="idx_part_movements_stock"),
            models.Index(fields=("task",), name="idx_part_movements_task"),
            models.Index(fields=("user",), name="idx_part_movements_user"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.quantity.normalize():f}"


class TaskPart(TenantModel):
    """What a task has reserved and used of one stock.

    The figures are the sums of its movements. `unit_cost` is the part's when the task first uses
    it.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    task = _internal_fk("maintenance.MaintenanceTask")
    stock = _internal_fk("maintenance.PartStock")
    reserved = quantity_field(editable=False)
    used = quantity_field(editable=False)
    unit_cost = models.DecimalField(max_digits=12, decimal_places=2, null=True, editable=False)
    created_at = created_at()

    objects: ClassVar[Any] = TaskPartQuerySet.as_manager()

    class Meta:
        db_table = "task_parts"
        ordering = ("created_at", "id")
        constraints = (
            models.UniqueConstraint(fields=("task", "stock"), name="task_parts_task_stock_key"),
            _range_check("task_parts", "reserved"),
            _range_check("task_parts", "used"),
        )
        indexes = (
            models.Index(fields=("organization",), name="idx_task_parts_organization"),
            models.Index(fields=("stock",), name="idx_task_parts_stock"),
        )

    def __str__(self) -> str:
        return str(self.stock)


def stock_state(on_hand: Decimal, available: Decimal, minimum: Decimal) -> StockState:
    """Return whether a part is in stock, low, or out of stock."""
    if on_hand <= 0:
        return StockState.OUT
    return StockState.LOW if available < minimum else StockState.OK
