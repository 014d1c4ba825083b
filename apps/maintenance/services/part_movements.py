"""Movements of stocks, the only way in which their quantities change.

Every movement locks its task first, then its stock, so that two cannot wait for each other.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError

from apps.maintenance.choices import (
    CLOSED_STATUSES,
    TASK_MOVEMENTS,
    PartMovementKind,
)
from apps.maintenance.exceptions import InsufficientStockError, TaskStateError
from apps.maintenance.models import MaintenanceTask, PartMovement, PartStock, TaskPart
from apps.maintenance.models.parts import MAX_QUANTITY
from apps.maintenance.selectors.parts import merged_parts_used, quantity_text
from apps.maintenance.services.task_locking import task_lock
from urfmp.common.db.names import validate_visible
from urfmp.common.tenancy.context import audit_action, current_actor

MAX_REASON_CHARS = 1_000
_STEP = Decimal("0.001")
_INCREASES = frozenset({PartMovementKind.RECEIVE, PartMovementKind.RETURN})


def part_movement_create(
    *,
    stock: PartStock,
    kind: str,
    quantity: Decimal,
    task: MaintenanceTask | None = None,
    reason: str | None = None,
) -> PartMovement:
    """Move parts, and update the stock and the task's `parts_used`.

    A use takes what the task has reserved first, and never what other tasks have reserved. The
    stock's row is locked: of two users who take the last part, the second one finds none.

    Args:
        stock: Stock that the movement changes.
        kind: One of `PartMovementKind`. A count sets the quantity to what was counted.
        quantity: In the part's unit, to three decimals; above 0, or at least 0 for a count.
        task: Task that reserves, releases, uses or returns parts; None for the other kinds.
        reason: Why; required for a count.

    Raises:
        InsufficientStockError: Fewer parts are available, reserved or used than the quantity.
        TaskStateError: The task is closed; it can only return parts.
        ValidationError: A value is invalid, or the task belongs to another organization.
    """
    kind, reason = _checked_kind(kind), (reason or "").strip() or None
    quantity = _checked_quantity(quantity, kind)
    _check_reason(reason, kind)
    _check_task(task, kind, stock)
    with audit_action(f"maintenance.part.{kind.value}"):
        if task is not None:
            # Against a completion that releases the task's reservations meanwhile.
            task = task_lock(task)
            if kind != PartMovementKind.RETURN and task.status in CLOSED_STATUSES:
                msg = f"A task that is {task.get_status_display().lower()} only returns parts."
                raise TaskStateError(msg)
        return _move(_lock(stock), kind, quantity, task, reason)


def task_parts_release(task: MaintenanceTask) -> None:
    """Release what a task that closes has reserved.

    The caller has locked the task. Stocks are locked in the order of their ids.
    """
    rows = TaskPart.objects.filter(task=task, reserved__gt=0).order_by("stock_id")
    for row in rows.select_related("stock__part"):
        _move(_lock(row.stock), PartMovementKind.RELEASE, row.reserved, task, None)


def _lock(stock: PartStock) -> PartStock:
    rows = PartStock.objects.select_related("part").select_for_update(of=("self",))
    locked: PartStock = rows.get(pk=stock.pk)
    return locked


def _move(
    stock: PartStock,
    kind: PartMovementKind,
    quantity: Decimal,
    task: MaintenanceTask | None,
    reason: str | None,
) -> PartMovement:
    row = None if task is None else _task_part(task, stock)
    _change(stock, row, kind, quantity)
    stock.save(update_fields=["quantity", "reserved"])
    movement = PartMovement(
        organization_id=stock.organization_id,
        part=stock.part,
        stock=stock,
        task=task,
        kind=kind,
        quantity=quantity,
        quantity_after=stock.quantity,
        reserved_after=stock.reserved,
        reason=reason,
        user_id=current_actor().user_id,
    )
    movement.save(force_insert=True)
    movement.refresh_from_db(fields=["created_at"])
    if row is not None and task is not None:
        row.save()
        if kind in {PartMovementKind.USE, PartMovementKind.RETURN}:
            task.parts_used = merged_parts_used(task)
            task.save(update_fields=["parts_used"])
    return movement


def _task_part(task: MaintenanceTask, stock: PartStock) -> TaskPart:
    """Return the task's row of a stock, new or stored.

    The stock's lock serializes its insertion.
    """
    row: TaskPart | None = TaskPart.objects.filter(task=task, stock=stock).first()
    return row or TaskPart(organization_id=stock.organization_id, task=task, stock=stock)


def _change(
    stock: PartStock, row: TaskPart | None, kind: PartMovementKind, quantity: Decimal
) -> None:
    if kind == PartMovementKind.RECEIVE and not stock.part.is_active:
        raise ValidationError({"stock": "The part is inactive. Activate it first."})
    if kind in _INCREASES and stock.quantity + quantity > MAX_QUANTITY:
        msg = f"A stock can hold at most {quantity_text(MAX_QUANTITY, stock.part)}."
        raise ValidationError({"quantity": msg})
    if kind == PartMovementKind.RECEIVE:
        stock.quantity += quantity
    elif kind == PartMovementKind.COUNT:
        if quantity < stock.reserved:
            reserved = quantity_text(stock.reserved, stock.part)
            msg = f"{reserved} of {stock.part.number} are reserved by tasks. Release them first."
            raise InsufficientStockError(msg)
        stock.quantity = quantity
    elif row is not None:
        _change_for_task(stock, row, kind, quantity)


def _change_for_task(
    stock: PartStock, row: TaskPart, kind: PartMovementKind, quantity: Decimal
) -> None:
    if kind == PartMovementKind.RESERVE:
        if not stock.part.is_active:
            raise ValidationError({"stock": "The part is inactive. Activate it first."})
        _require(quantity, stock.available, stock, "available in this place")
        stock.reserved += quantity
        row.reserved += quantity
    elif kind == PartMovementKind.RELEASE:
        _require(quantity, row.reserved, stock, "reserved by this task")
        stock.reserved -= quantity
        row.reserved -= quantity
    elif kind == PartMovementKind.USE:
        _require(quantity, stock.available + row.reserved, stock, "available in this place")
        own = min(quantity, row.reserved)
        stock.quantity -= quantity
        stock.reserved -= own
        row.reserved -= own
        if row.used == 0:
            row.unit_cost = stock.part.unit_cost
        row.used += quantity
    else:
        _require(quantity, row.used, stock, "used by this task from this place")
        stock.quantity += quantity
        row.used -= quantity


def _require(quantity: Decimal, limit: Decimal, stock: PartStock, rest: str) -> None:
    if quantity > limit:
        found = quantity_text(limit, stock.part) if limit else "None"
        msg = f"{found} of {stock.part.number} {'is' if limit == 1 else 'are'} {rest}."
        raise InsufficientStockError(msg)


def _checked_kind(kind: str) -> PartMovementKind:
    try:
        return PartMovementKind(kind)
    except ValueError as error:
        raise ValidationError({"kind": "Select one of the kinds."}) from error


def _checked_quantity(quantity: Any, kind: PartMovementKind) -> Decimal:
    if not isinstance(quantity, Decimal) or not quantity.is_finite():
        raise ValidationError({"quantity": "Enter a number."})
    if quantity < 0 or (quantity == 0 and kind != PartMovementKind.COUNT):
        raise ValidationError({"quantity": "Enter a quantity above 0."})
    if quantity > MAX_QUANTITY:
        raise ValidationError({"quantity": f"Enter at most {MAX_QUANTITY:,f}."})
    if quantity != quantity.quantize(_STEP):
        raise ValidationError({"quantity": "Enter at most three decimals."})
    return quantity.quantize(_STEP)


def _check_reason(reason: str | None, kind: PartMovementKind) -> None:
    if reason is None:
        if kind == PartMovementKind.COUNT:
            raise ValidationError({"reason": "Enter why the stock was counted."})
        return
    if len(reason) > MAX_REASON_CHARS:
        raise ValidationError({"reason": f"Enter at most {MAX_REASON_CHARS} characters."})
    try:
        validate_visible(reason)
    except ValidationError as error:
        raise ValidationError({"reason": error}) from error


def _check_task(task: MaintenanceTask | None, kind: PartMovementKind, stock: PartStock) -> None:
    if kind in TASK_MOVEMENTS and task is None:
        raise ValidationError({"task": "Select the task."})
    if kind not in TASK_MOVEMENTS and task is not None:
        raise ValidationError({"task": "Received and counted parts belong to no task."})
    if task is not None and task.organization_id != stock.organization_id:
        raise ValidationError({"task": "Task not found."})
