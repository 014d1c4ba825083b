from __future__ import annotations

from typing import Any, Self

from django.db.models import DecimalField, F, OuterRef, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.maintenance.choices import (
    CLOSED_STATUSES,
    OPEN_STATUSES,
    MaintenanceStatus,
    TaskTab,
    WorkRequestStatus,
)
from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet, RobotScopedQuerySet


class MaintenanceTaskQuerySet(RobotScopedQuerySet):
    """Maintenance tasks of one organization."""

    def open(self) -> Self:
        """Exclude completed and cancelled tasks."""
        return self.filter(status__in=OPEN_STATUSES)

    def closed(self) -> Self:
        """Return completed and cancelled tasks."""
        return self.filter(status__in=CLOSED_STATUSES)

    def in_tab(self, tab: str, user_id: Any) -> Self:
        """Return the tasks of a tab of the task list.

        Args:
            tab: One of `TaskTab`; any other value means the open tasks.
            user_id: User whose tasks the tab Mine shows.
        """
        if tab == TaskTab.ALL:
            return self.all()
        if tab == TaskTab.DONE:
            return self.closed()
        if tab == TaskTab.MINE:
            return self.open().filter(assigned_to=user_id)
        if tab == TaskTab.APPROVAL:
            return self.filter(status=MaintenanceStatus.REQUIRES_APPROVAL)
        if tab == TaskTab.OVERDUE:
            return self.open().filter(due_at__lt=timezone.now())
        return self.open()


class TaskEventQuerySet(RobotScopedQuerySet):
    """Timelines of one organization's tasks."""

    robot_lookup = "task__robot_id"


class LabourEntryQuerySet(RobotScopedQuerySet):
    """Times of work on one organization's tasks."""

    robot_lookup = "task__robot_id"

    def running(self) -> Self:
        """Return the entries of users who work now."""
        return self.filter(ended_at__isnull=True)


class MaintenanceScheduleQuerySet(RobotScopedQuerySet):
    """Maintenance schedules of one organization."""


class MaintenanceScheduleStateQuerySet(RobotScopedQuerySet):
    """Schedules of one organization's robots, robot by robot."""


class TaskTemplateQuerySet(OrganizationScopedQuerySet):
    """Task templates of one organization."""


class TemplateStepQuerySet(OrganizationScopedQuerySet):
    """Steps of one organization's templates."""


class TemplatePartQuerySet(OrganizationScopedQuerySet):
    """Parts of one organization's templates."""


class TaskStepQuerySet(RobotScopedQuerySet):
    """Checklists of one organization's tasks."""

    robot_lookup = "task__robot_id"

    def missing(self) -> Self:
        """Return required steps that are not recorded."""
        return self.filter(is_required=True, recorded_at__isnull=True)


class TaskFileQuerySet(RobotScopedQuerySet):
    """Files on one organization's tasks."""

    robot_lookup = "task__robot_id"

    def without_content(self) -> Self:
        """Leave the bytes in the database."""
        return self.defer("content")


class CalendarFeedQuerySet(OrganizationScopedQuerySet):
    """Calendar feeds of one organization's users."""


class PartQuerySet(OrganizationScopedQuerySet):
    """Parts of one organization's catalogue."""

    def with_totals(self) -> Self:
        """Add `on_hand`, `reserved` and `available`, in all places together."""
        stocks: Any = self.model._meta.get_field("stocks").related_model._base_manager
        of_part = stocks.filter(part=OuterRef("pk")).order_by().values("part")
        rows = self.annotate(
            on_hand=_total(of_part, "quantity"), reserved=_total(of_part, "reserved")
        )
        return rows.annotate(available=F("on_hand") - F("reserved"))

    def low_stock(self) -> Self:
        """Return active parts with less available than their minimum quantity."""
        rows = self.with_totals().filter(is_active=True)
        return rows.filter(available__lt=F("minimum_quantity"))


def _total(rows: Any, column: str) -> Coalesce:
    total = Subquery(rows.annotate(total=Sum(column)).values("total"))
    return Coalesce(total, Value(0), output_field=DecimalField(max_digits=20, decimal_places=3))


class PartStockQuerySet(OrganizationScopedQuerySet):
    """Stocks of one organization's parts, by place."""


class PartMovementQuerySet(OrganizationScopedQuerySet):
    """Movements of one organization's stocks."""


class TaskPartQuerySet(OrganizationScopedQuerySet):
    """Parts of one organization's tasks."""

    robot_lookup = "task__robot_id"

    def in_use(self) -> Self:
        """Return parts of which some are reserved or used."""
        return self.exclude(reserved=0, used=0)


class RobotLabelQuerySet(RobotScopedQuerySet):
    """Labels of one organization's robots."""


class WorkRequestQuerySet(RobotScopedQuerySet):
    """Work requests of one organization's robots."""

    def waiting(self) -> Self:
        """Return the requests that wait for review."""
        return self.filter(status=WorkRequestStatus.WAITING)
