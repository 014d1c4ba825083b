"""Commands."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Case, Q, When

from apps.robots.choices import (
    ANSWERABLE_STATUSES,
    FINAL_STATUSES,
    IN_FLIGHT_STATUSES,
    MOTION_TYPES,
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

# Stop requests are handed over before every other command, then the highest priority first.
_LANE = Case(
    When(type=CommandType.EMERGENCY_STOP, then=0),
    When(priority=CommandPriority.CRITICAL, then=1),
    When(priority=CommandPriority.HIGH, then=2),
    When(priority=CommandPriority.LOW, then=4),
    default=3,
)


class RobotCommand(TenantModel):
    """A command to a robot, with its author and its result.

    The robot receives it at most once, before it expires. A trigger allows only the changes of
    status in `COMMAND_TRANSITIONS`, and no change of what the command says.

    Attributes:
        user: User who created it; None for an API key, which is in `api_key`.
        expires_at: Time after which it is not handed over, by the database's clock.
        lane: Order in which a robot's commands are handed over; 0 is for stop requests.
        sent_at: Time at which it was handed over.
        answer_due_at: Time until which the robot must acknowledge it, or report again; then it
            becomes unknown.
        executed_at: Start of its execution.
        approval_due_at: Time until which a second user may approve it.
        cancelled_by: User who cancelled it, or rejected it instead of approving it.
        settled_by: User who decided on its outcome because the robot did not report it.
        latch_due_at: For a stop request, the time from which the robot has to be latched; None as
            soon as it is latched.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    robot = unconstrained_fk("robots.Robot", on_delete=models.DO_NOTHING)
    user = unconstrained_fk("accounts.User", null=True, blank=True)
    api_key = unconstrained_fk(
        "accounts.ApiKey", on_delete=models.DO_NOTHING, null=True, blank=True, editable=False
    )
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
    lane = models.GeneratedField(
        expression=_LANE, output_field=models.SmallIntegerField(), db_persist=True
    )
    scheduled_at = bounded_datetime_field()
    expires_at = models.DateTimeField(editable=False)
    approval_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    approved_by = unconstrained_fk(
        "accounts.User", null=True, blank=True, db_column="approved_by", editable=False
    )
    cancelled_by = unconstrained_fk(
        "accounts.User", null=True, blank=True, db_column="cancelled_by", editable=False
    )
    sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    answer_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    acknowledged_at = models.DateTimeField(null=True, blank=True, editable=False)
    executed_at = models.DateTimeField(null=True, blank=True)
    progress = models.SmallIntegerField(null=True, blank=True, editable=False)
    progress_text = models.TextField(  # noqa: DJ001 - no text is NULL
        null=True, blank=True, editable=False
    )
    completed_at = models.DateTimeField(null=True, blank=True)
    settled_by = unconstrained_fk(
        "accounts.User", null=True, blank=True, db_column="settled_by", editable=False
    )
    error_message = models.TextField(null=True, blank=True)  # noqa: DJ001 - spec
    result = models.JSONField(null=True, blank=True)
    latch_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.PositiveIntegerField(default=1, db_default=1, editable=False)
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
            models.CheckConstraint(
                condition=Q(progress__gte=0, progress__lte=100),
                name="robot_commands_progress_check",
            ),
            models.UniqueConstraint(
                fields=("robot",),
                condition=Q(status__in=IN_FLIGHT_STATUSES, type__in=sorted(MOTION_TYPES)),
                name="robot_commands_one_motion",
            ),
        )
        indexes = (
            models.Index(fields=("robot",), name="idx_commands_robot"),
            models.Index(fields=("status",), name="idx_commands_status"),
            models.Index(fields=("created_at",), name="idx_commands_created"),
            models.Index(fields=("organization", "-created_at"), name="idx_commands_organization"),
            models.Index(fields=("user",), name="idx_commands_user"),
            models.Index(fields=("api_key",), name="idx_commands_api_key"),
            models.Index(fields=("approved_by",), name="idx_commands_approved_by"),
            models.Index(fields=("cancelled_by",), name="idx_commands_cancelled_by"),
            models.Index(fields=("settled_by",), name="idx_commands_settled_by"),
            models.Index(fields=("robot", "-created_at"), name="idx_commands_robot_created"),
            # The next command of a robot.
            models.Index(
                fields=("robot", "lane", "scheduled_at", "created_at"),
                condition=Q(status=CommandStatus.PENDING),
                name="idx_commands_pending",
            ),
            # Jobs find commands whose time is over.
            models.Index(
                fields=("organization", "expires_at"),
                condition=Q(status__in=(CommandStatus.PENDING, CommandStatus.PENDING_APPROVAL)),
                name="idx_commands_expiry",
            ),
            models.Index(
                fields=("organization", "answer_due_at"),
                condition=Q(status__in=ANSWERABLE_STATUSES),
                name="idx_commands_answer_due",
            ),
            models.Index(
                fields=("robot",),
                condition=Q(latch_due_at__isnull=False),
                name="idx_commands_latch_due",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_type_display()} for {self.robot}"

    @property
    def author(self) -> str:
        """Name of the user or API key that created it."""
        if self.user is not None:
            return str(self.user)
        return f"API key {self.api_key}" if self.api_key is not None else "The platform"

    @property
    def is_motion(self) -> bool:
        """True if it can set the robot in motion."""
        return self.type in MOTION_TYPES

    @property
    def is_final(self) -> bool:
        """True if its status cannot change any more."""
        return self.status in FINAL_STATUSES
