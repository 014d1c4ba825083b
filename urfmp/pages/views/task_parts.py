"""Use, reserve and return the parts of a task."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from apps.maintenance.choices import CLOSED_STATUSES, TASK_MOVEMENTS, PartMovementKind
from apps.maintenance.models import MaintenanceTask, PartStock, TaskPart
from apps.maintenance.selectors.parts import quantity_text, stock_search, task_parts
from apps.maintenance.services.part_movements import part_movement_create
from urfmp.common.admin.forms import error_messages
from urfmp.common.exceptions import ApplicationError
from urfmp.pages.views.rendering import render_page, require_permission

_MAX_SEARCH_CHARS = 200
_DONE = {
    PartMovementKind.USE: "used",
    PartMovementKind.RESERVE: "reserved",
    PartMovementKind.RELEASE: "released",
    PartMovementKind.RETURN: "returned",
}


class MovementForm(forms.Form):
    """One movement: which stock, what and how much."""

    stock = forms.UUIDField()
    kind = forms.ChoiceField(
        choices=[(kind.value, kind.label) for kind in TASK_MOVEMENTS],
        error_messages={"required": "Press one of the buttons."},
    )
    quantity = forms.DecimalField(
        error_messages={"required": "Enter a quantity.", "invalid": "Enter a quantity."}
    )


@dataclass(frozen=True)
class StockRow:
    """A stock in a list, with the buttons it allows."""

    stock: PartStock
    facts: tuple[str, ...]
    kinds: tuple[PartMovementKind, ...]
    suggested: str


def task_parts_page(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Show a task's parts, and move the posted one."""
    require_permission(request, "maintenance.view_maintenancetask")
    tasks = MaintenanceTask.objects.restrict(request.user)
    task: MaintenanceTask = get_object_or_404(tasks, pk=task_id)
    text = (request.POST.get("q") or request.GET.get("q") or "")[:_MAX_SEARCH_CHARS].strip()
    errors: list[str] = []
    if request.method == "POST":
        require_permission(request, "maintenance.add_partmovement")
        errors = _move(request, task)
        if not errors:
            query = f"?{urlencode({'q': text})}" if text else ""
            return HttpResponseRedirect(reverse("admin:task_parts_page", args=[task.pk]) + query)
    is_open = task.status not in CLOSED_STATUSES
    may_move = request.user.has_perm("maintenance.add_partmovement")
    rows = task_parts(task)
    response = render_page(
        request,
        "pages/task_parts.html",
        "Parts",
        trail=[
            ("Maintenance tasks", reverse("admin:maintenance_maintenancetask_changelist")),
            (task.title, reverse("admin:maintenance_maintenancetask_change", args=[task.pk])),
        ],
        task=task,
        errors=errors,
        may_move=may_move,
        is_open=is_open,
        rows=[_task_row(row, is_open=is_open) for row in rows],
        search=text,
        found=[_found_row(stock) for stock in stock_search(request.user, text)]
        if is_open and may_move
        else [],
    )
    response.status_code = 400 if errors else 200
    return response


def _move(request: HttpRequest, task: MaintenanceTask) -> list[str]:
    """Move what the form says; return the errors."""
    form = MovementForm(request.POST)
    if not form.is_valid():
        return [str(text) for texts in form.errors.values() for text in texts]
    values: dict[str, Any] = form.cleaned_data
    stocks = PartStock.objects.restrict(request.user).select_related("part")
    stock = get_object_or_404(stocks, pk=values["stock"])
    kind = PartMovementKind(values["kind"])
    try:
        part_movement_create(stock=stock, kind=kind, quantity=values["quantity"], task=task)
    except (ApplicationError, ValidationError) as error:
        return error_messages(error)
    quantity = quantity_text(values["quantity"], stock.part)
    messages.success(request, f"{quantity} of {stock.part.name} {_DONE[kind]}.")
    return []


def _task_row(row: TaskPart, *, is_open: bool) -> StockRow:
    part = row.stock.part
    facts, kinds = [], []
    if row.used:
        facts.append(f"{quantity_text(row.used, part)} used")
        kinds.append(PartMovementKind.RETURN)
    if row.reserved:
        facts.append(f"{quantity_text(row.reserved, part)} reserved")
    if is_open:
        kinds.insert(0, PartMovementKind.USE)
        if row.reserved:
            kinds.append(PartMovementKind.RELEASE)
    return StockRow(row.stock, tuple(facts), tuple(kinds), _plain(row.reserved or Decimal(1)))


def _found_row(stock: PartStock) -> StockRow:
    if not stock.available:
        return StockRow(stock, ("none available",), (), "1")
    fact = f"{quantity_text(stock.available, stock.part)} available"
    return StockRow(stock, (fact,), (PartMovementKind.USE, PartMovementKind.RESERVE), "1")


def _plain(quantity: Decimal) -> str:
    """Return a quantity for an input field."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
