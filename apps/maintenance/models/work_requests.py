"""Work requests, and labels that accept them without a login."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from apps.maintenance.choices import WorkRequestStatus
from apps.maintenance.querysets import RobotLabelQuerySet, WorkRequestQuerySet
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.db.names import NameField, name_check
from urfmp.common.security.encrypted_columns import EncryptedText
from urfmp.common.tenancy.models import TenantModel


class RobotLabel(TenantModel):
    """Secret of a robot's label, which accepts requests without a login.

    The digest finds it; the encrypted token prints the label again. A robot has at most one.
    Revocation deletes the row: printed labels then only lead to the login.
    """

    encrypted_columns: ClassVar = (EncryptedText("token"),)

    id = uuid_primary_key()
    organization = organization_fk()
    robot = unconstrained_fk("robots.Robot", on_delete=models.DO_NOTHING, editable=False)
    token = models.TextField(editable=False)
    token_digest = models.CharField(max_length=64, editable=False)
    created_at = created_at()

    objects: ClassVar[Any] = RobotLabelQuerySet.as_manager()

    class Meta:
        db_table = "robot_labels"
        constraints = (
            models.UniqueConstraint(fields=("robot",), name="robot_labels_robot_key"),
            models.UniqueConstraint(fields=("token_digest",), name="robot_labels_digest_key"),
        )
        indexes = (models.Index(fields=("organization",), name="idx_robot_labels_organization"),)

    def __str__(self) -> str:
        return f"label of {self.robot_id}"


class WorkRequest(TenantModel):
    """A problem of a robot, reported for review.

    An accepted request becomes a task; others are dismissed. `user` is null if the request came
    from a label, without a login; `requester_name` is then what was entered, and proves nothing. A
    purged robot takes its requests along; a deleted task leaves its request.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    robot = unconstrained_fk("robots.Robot")
    title = NameField("problem", max_length=200)
    description = models.TextField(default="", blank=True, db_default="")
    requester_name = NameField("reported by", max_length=100, null=True, blank=True)
    user = unconstrained_fk("accounts.User", null=True, editable=False)
    status = models.CharField(
        max_length=20,
        choices=WorkRequestStatus,
        default=WorkRequestStatus.WAITING,
        db_default=WorkRequestStatus.WAITING,
        editable=False,
    )
    task = models.ForeignKey(
        "maintenance.MaintenanceTask",
        models.DO_NOTHING,
        null=True,
        editable=False,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    reviewed_by = unconstrained_fk(
        "accounts.User", null=True, db_column="reviewed_by", editable=False
    )
    reviewed_at = models.DateTimeField(null=True, editable=False)
    reason = models.TextField(default="", db_default="", editable=False)
    created_at = created_at()
    updated_at = updated_at()

    objects: ClassVar[Any] = WorkRequestQuerySet.as_manager()

    class Meta:
        db_table = "work_requests"
        verbose_name = "work request"
        ordering = ("-created_at", "-id")
        constraints = (
            choices_check("work_requests", "status", WorkRequestStatus),
            name_check("work_requests", "title"),
            name_check("work_requests", "requester_name"),
            models.CheckConstraint(
                condition=Q(status=WorkRequestStatus.WAITING, reviewed_at__isnull=True)
                | (~Q(status=WorkRequestStatus.WAITING) & Q(reviewed_at__isnull=False)),
                name="work_requests_review_check",
            ),
        )
        indexes = (
            models.Index(fields=("organization", "created_at"), name="idx_work_requests_created"),
            models.Index(
                fields=("organization", "robot"),
                condition=Q(status=WorkRequestStatus.WAITING),
                name="idx_work_requests_waiting",
            ),
            models.Index(fields=("robot",), name="idx_work_requests_robot"),
            models.Index(fields=("task",), name="idx_work_requests_task"),
            models.Index(fields=("user",), name="idx_work_requests_user"),
            models.Index(fields=("reviewed_by",), name="idx_work_requests_reviewer"),
        )

    def __str__(self) -> str:
        return str(self.title)
