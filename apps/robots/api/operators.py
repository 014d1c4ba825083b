"""Principals that control robots, and the robots that they control."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from apps.accounts.models import User
from apps.robots.models import Robot


class OperatorMixin:
    """Mixin for views at which principals control robots."""

    principal: Any

    def check_permissions(self, request: Request) -> None:
        """Deny POST to the key of a robot, which only answers commands.

        Raises:
            PermissionDenied: The API key is bound to a robot, or lacks the permission.
        """
        super().check_permissions(request)  # type: ignore[misc]
        if request.method == "POST" and self.principal.robot_id is not None:
            msg = "The key of a robot cannot control robots."
            raise PermissionDenied(msg)


def author_of(principal: Any) -> User | None:
    """Return the user who creates commands, or None for an API key."""
    return principal if isinstance(principal, User) else None


def require_user(principal: Any) -> User:
    """Return the principal, who must be a user.

    Raises:
        PermissionDenied: It is an API key.
    """
    if not isinstance(principal, User):
        msg = "A user decides this, not an API key."
        raise PermissionDenied(msg)
    return principal


def controlled_robots(principal: Any, robot_ids: Iterable[Any]) -> dict[UUID, Robot]:
    """Return those of the robots that the principal may control, by id."""
    robots = Robot.objects.restrict(principal, "control").filter(pk__in=list(robot_ids))
    return {robot.pk: robot for robot in robots}


def controlled_robot(principal: Any, robot_id: Any) -> Robot:
    """Return a robot that the principal may control.

    Raises:
        Http404: There is none with this id.
    """
    for robot in controlled_robots(principal, [robot_id]).values():
        return robot
    raise Http404
