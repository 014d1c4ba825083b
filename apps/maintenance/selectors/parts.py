"""Stocks and movements of parts, and what tasks use."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import Q

from apps.maintenance.models import MaintenanceTask, Part, PartMovement, PartStock, TaskPart
from urfmp.common.rendering.formats import format_number

MAX_SHOWN_MOVEMENTS = 50
MAX_FOUND_STOCKS = 20


def quantity_text(quantity: Decimal, part: Part) -> str:
    """Return a quantity with its unit, without trailing zeros."""
    text = f"{quantity:f}"
    decimals = len(text.rstrip("0").partition(".")[2]) if "." in text else 0
    return f"{format_number(float(quantity), decimals)} {part.unit}"


def merged_parts_used(task: MaintenanceTask) -> list[dict[str, Any]] | None:
    """Return `parts_used` of a task from its stocks and other entries.

    Parts that come from a stock are those that the task has a row of. Entries with other numbers
    or without one are kept: parts that the catalogue does not have.
    """
    rows = TaskPart.objects.filter(task=task).select_related("stock__part")
    quantities: dict[tuple[str, str, Decimal | None], Decimal] = {}
    numbers = set()
    for row in rows:
        part = row.stock.part
        numbers.add(part.number)
        if row.used:
            key = (part.number, part.name, row.unit_cost)
            quantities[key] = quantities.get(key, Decimal(0)) + row.used
    if not numbers:
        return task.parts_used
    others = [item for item in task.parts_used or () if item.get("part") not in numbers]
    found = [
        {"part": number, "name": name, "quantity": _number(quantity)}
        | ({} if cost is None else {"unit_cost": _number(cost)})
        for (number, name, cost), quantity in quantities.items()
    ]
    return [*found, *others]


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def used_part_text(item: dict[str, Any]) -> str:
    """Return an entry of `parts_used` as a line of text."""
    number = f" ({item['part']})" if "part" in item else ""
    quantity = item.get("quantity", 1)
    decimals = 0 if quantity == int(quantity) else 3
    return f"{item['name']}{number}: {format_number(quantity, decimals)}"


def task_parts(task: MaintenanceTask) -> list[TaskPart]:
    """Return what a task has reserved and used."""
    rows = TaskPart.objects.in_use().filter(task=task)
    return list(rows.select_related("stock__part", "stock__facility"))


def stock_search(principal: Any, text: str) -> list[PartStock]:
    """Return stocks whose part or place contains a text.

    Inactive parts are left out. Stocks with parts in them come first; at most 20.
    """
    rows = PartStock.objects.restrict(principal).filter(part__is_active=True)
    for word in text.split():
        rows = rows.filter(
            Q(part__number__icontains=word)
            | Q(part__name__icontains=word)
            | Q(storage_location__icontains=word)
            | Q(facility__name__icontains=word)
        )
    rows = rows.select_related("part", "facility").order_by("part__number", "storage_location")
    found = sorted(rows[: MAX_FOUND_STOCKS * 2], key=lambda stock: stock.quantity <= 0)
    return found[:MAX_FOUND_STOCKS]


def part_stocks(part: Part) -> list[PartStock]:
    """Return a part's stocks, by facility and place."""
    rows = PartStock.objects.filter(part=part).select_related("part", "facility")
    return list(rows.order_by("facility__name", "storage_location"))


def latest_movements(**filters: Any) -> list[PartMovement]:
    """Return the latest 50 movements of a part or stock, newest first."""
    rows = PartMovement.objects.filter(**filters)
    rows = rows.select_related("part", "stock__facility", "task", "user")
    return list(rows[:MAX_SHOWN_MOVEMENTS])


def low_stock_count(principal: Any) -> int:
    """Return the number of parts to reorder."""
    return int(Part.objects.restrict(principal).low_stock().count())
