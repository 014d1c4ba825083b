"""Robots that are online, and the services of commands, each in a transaction of its own."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.db import connections

from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.creation import command_create
from apps.robots.services.commands.hand_over import command_claim_next
from apps.robots.services.status import robot_report_status
from urfmp.common.tenancy.context import tenant_transaction

_TIMES = (
    "created_at",
    "scheduled_at",
    "expires_at",
    "approval_due_at",
    "sent_at",
    "answer_due_at",
)


class CommandedRobot:
    """A robot and what users, its transport and the robot itself do with commands."""

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self.organization_id = robot.organization_id

    def do(self, service: Any, *args: Any, **values: Any) -> Any:
        """Run a service in a tenant transaction."""
        with tenant_transaction(self.organization_id):
            return service(*args, **values)

    def create(self, type: str = "pause", **values: Any) -> RobotCommand:  # noqa: A002
        return self.do(command_create, robot=self.robot, type=type, **values)

    def claim(self, **values: Any) -> RobotCommand | None:
        return command_claim_next(
            organization_id=self.organization_id, robot_id=self.robot.pk, **values
        )

    def report(self, service: Any, command: RobotCommand, **values: Any) -> RobotCommand:
        return self.do(service, robot_id=self.robot.pk, command_id=command.pk, **values)

    def read(self, command: RobotCommand) -> RobotCommand:
        return self.do(RobotCommand.objects.get, pk=command.pk)

    def update(self, **values: Any) -> None:
        """Write columns of the robot past its services."""
        self.do(Robot.objects.filter(pk=self.robot.pk).update, **values)

    def pass_time(self, seconds: float) -> None:
        """Let time pass for the robot's commands: move their times into the past."""
        moved = ", ".join(f"{name} = {name} - make_interval(secs => %(s)s)" for name in _TIMES)
        parameters = connections["owner"].get_connection_params()
        wanted = {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
        with psycopg.connect(**wanted) as owner:  # the trigger allows no such change
            owner.execute("ALTER TABLE robot_commands DISABLE TRIGGER guard_robot_command_trigger")
            owner.execute(
                f"UPDATE robot_commands SET {moved} WHERE robot_id = %(robot)s",
                {"s": seconds, "robot": self.robot.pk},
            )
            owner.execute("ALTER TABLE robot_commands ENABLE TRIGGER guard_robot_command_trigger")


@pytest.fixture
def make_commanded(make_robot, tenant):
    """Return a function that registers a robot which is online."""

    def make(organization: Any, **fields: Any) -> CommandedRobot:
        robot = make_robot(organization, **fields)
        with tenant(organization):
            robot_report_status(robot_id=robot.pk, status="idle")
        return CommandedRobot(robot)

    return make


@pytest.fixture
def commanded(organization_a, make_commanded) -> CommandedRobot:
    return make_commanded(organization_a)
