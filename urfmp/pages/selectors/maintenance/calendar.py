"""Tasks and planned dates of the maintenance calendar.

Each day has a bounded number of entries, so that the page stays small and quick however many tasks
there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.utils import timezone

from apps.maintenance.choices import MaintenanceAction, MaintenanceStatus, allows
from apps.maintenance.models import MaintenanceTask
from urfmp.common.db.subqueries import named_subquery
from urfmp.pages.selectors.maintenance.entries import (
    MAX_COUNTED_TASKS,
    CalendarDay,
    CalendarFilter,
    TaskEntry,
    task_time,
)
from urfmp.pages.selectors.maintenance.periods import CalendarView, Period
from urfmp.pages.selectors.maintenance.planned import add_planned

# Entries of a day. A day that has more names their number.
MAX_DAY_TASKS = {
    CalendarView.MONTH: 4,
    CalendarView.WEEK: 12,
    CalendarView.AGENDA: 20,
    CalendarView.DAY: 200,
}
MAX_DAY_PLANNED = {
    CalendarView.MONTH: 2,
    CalendarView.WEEK: 6,
    CalendarView.AGENDA: 10,
    CalendarView.DAY: 100,
}

# Two branches rather than one with COALESCE: under row-level security, PostgreSQL uses an index for
# a condition only if it is known to be leakproof, and COALESCE is not.
_OF_DAY = """
    (SELECT task.id, task.scheduled_at AS at FROM ({{tasks}}) AS task
     WHERE task.scheduled_at >= day.starts_at AND task.scheduled_at < day.ends_at
     ORDER BY task.scheduled_at, task.id LIMIT %({limit})s)
    UNION ALL
    (SELECT task.id, task.due_at FROM ({{tasks}}) AS task
     WHERE task.scheduled_at IS NULL
         AND task.due_at >= day.starts_at AND task.due_at < day.ends_at
     ORDER BY task.due_at, task.id LIMIT %({limit})s)
"""
_DAYS_SQL = f"""
    SELECT day.number, shown.ids, least(counted.total, %(counted)s)
    FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[])
        WITH ORDINALITY AS day (starts_at, ends_at, number)
    CROSS JOIN LATERAL (
        SELECT array_agg(head.id ORDER BY head.at, head.id) AS ids FROM (
            SELECT found.id, found.at FROM ({_OF_DAY.format(limit="shown")}) AS found
            ORDER BY found.at, found.id LIMIT %(shown)s
        ) AS head
    ) AS shown
    CROSS JOIN LATERAL (
        SELECT count(*) AS total FROM ({_OF_DAY.format(limit="counted")}) AS capped
    ) AS counted
    WHERE shown.ids IS NOT NULL
"""  # noqa: S608 - constants


def calendar_days(
    principal: Any, period: Period, zone: Any, filters: CalendarFilter
) -> tuple[list[CalendarDay], bool]:
    """Return the entries of each day of a period.

    Runs at most five queries.

    Returns:
        The days, and whether the period has more planned dates than were computed.
    """
    limits = period.limits(zone)
    days = [CalendarDay() for _ in period.days]
    may_change = principal.has_perm("maintenance.change_maintenancetask")
    _add_tasks(days, principal, limits, MAX_DAY_TASKS[period.view], filters, may_change)
    is_cut = False
    if principal.has_perm("maintenance.view_maintenanceschedule"):
        is_cut = add_planned(days, principal, limits, MAX_DAY_PLANNED[period.view], filters)
    return days, is_cut


def _add_tasks(
    days: list[CalendarDay],
    principal: Any,
    limits: Sequence[datetime],
    shown: int,
    filters: CalendarFilter,
    may_change: bool,
) -> None:
    rows = MaintenanceTask.objects.restrict(principal).exclude(status=MaintenanceStatus.CANCELLED)
    matching = filters.apply(rows.order_by())
    try:
        tasks, named = named_subquery(matching.values("id", "scheduled_at", "due_at"), "task")
    except EmptyResultSet:
        return
    values = {
        **named,
        "starts": list(limits[:-1]),
        "ends": list(limits[1:]),
        "shown": shown,
        "counted": MAX_COUNTED_TASKS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DAYS_SQL.format(tasks=tasks), values)
        found = cursor.fetchall()
    wanted = [task_id for _, ids, _ in found for task_id in ids]
    by_id = MaintenanceTask.objects.restrict(principal).select_related("robot").in_bulk(wanted)
    now = timezone.now()
    for number, ids, total in found:
        day = days[number - 1]
        day.task_count = total
        for task_id in ids:
            task = by_id.get(task_id)
            if task is None or (at := task_time(task)) is None:  # changed meanwhile
                continue
            is_open = allows(MaintenanceAction.UPDATE, task.status)
            is_late = is_open and task.due_at is not None and task.due_at < now
            day.tasks.append(TaskEntry(task, at, is_late, is_open and may_change))


def overdue_count(principal: Any, filters: CalendarFilter) -> int:
    """Return the number of overdue tasks, at most `MAX_COUNTED_TASKS`."""
    rows = MaintenanceTask.objects.restrict(principal).open().filter(due_at__lt=timezone.now())
    return int(filters.apply(rows).order_by()[:MAX_COUNTED_TASKS].count())
