"""Commands."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.robots.choices import (
    CommandPriority,
    CommandStatus,
    CommandType,
)
from apps.robots.querysets import (
    RobotCommandQuerySet,
)
from urfmp.common.db.fields import (
    bounded_datetime_check,
    bounded_datetime_field,
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class RobotCommand(TenantModel):
    """A command to a robot, with its author and its result."""

    id = uuid_primary_key()
    organization = organization_fk()
    robot = unconstrained_fk("robots.Robot", on_delete=models.DO_NOTHING)
    user = unconstrained_fk("accounts.User", null=True, blank=True)
    type = models.CharField(max_length=50, choices=CommandType)
    payload = models.JSONField(
        null=True, blank=True, default=dict, db_default=models.Value({}, models.JSONField())
    )
    priority = models.CharField(  # noqa: DJ001 - spec
        max_length=20,
        null=True,
        choices=CommandPriority,
        default=CommandPriority.NORMAL,
        db_default=CommandPriority.NORMAL,
    )
    status = models.CharField(  # noqa: DJ001 - spec
        max_length=50,
        null=True,
        choices=CommandStatus,
        default=CommandStatus.PENDING,
        db_default=CommandStatus.PENDING,
    )
    scheduled_at = bounded_datetime_field()
    executed_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    error_message = models.TextField(null=True, blank=True)  # noqa: DJ001 - spec
    result = models.JSONField(null=True, blank=True)
    created_at = created_at()

    objects: ClassVar[Any] = RobotCommandQuerySet.as_manager()

    class Meta:
        db_table = "robot_commands"
        ordering = ("-created_at", "id")
        verbose_name = "command"
        constraints = (
            choices_check("robot_commands", "type", CommandType),
            choices_check("robot_commands", "priority", CommandPriority),
            choices_check("robot_commands", "status", CommandStatus),
            bounded_datetime_check("robot_commands", "scheduled_at"),
        )
        indexes = (
            models.Index(fields=("robot",), name="idx_commands_robot"),
            models.Index(fields=("status",), name="idx_commands_status"),
            models.Index(fields=("created_at",), name="idx_commands_created"),
            models.Index(fields=("organization", "-created_at"), name="idx_commands_organization"),
            models.Index(fields=("user",), name="idx_commands_user"),
        )

    def __str__(self) -> str:
        return f"{self.get_type_display()} for {self.robot}"
