"""The column of a list that leads to stop requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.robots.models import Robot
from urfmp.common.rendering.stop_requests import may_request_stop, stop_link


def with_stop_column(
    request: HttpRequest,
    columns: tuple[Any, ...],
    robot_of: Callable[[Any], Robot | None] = lambda row: row.robot,
) -> tuple[Any, ...]:
    """Add a column of links that request stops.

    Users who may not request a stop get no such column.

    Args:
        request: Request for the list.
        columns: Columns of the list.
        robot_of: Returns the robot of a row.
    """
    if not may_request_stop(request.user):
        return columns

    @admin.display(description="Stop")
    def request_stop(row: Any) -> SafeString | str:
        return stop_link(request.user, robot_of(row), is_icon=True)

    return (*columns, request_stop)
