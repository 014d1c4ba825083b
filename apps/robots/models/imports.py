"""Imports of robots, and their rows."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.robots.choices import (
    ACTIVE_ROBOT_IMPORTS,
    RobotImportMode,
    RobotImportStatus,
    RowOutcome,
)
from apps.robots.querysets import RobotImportQuerySet, RobotImportRowQuerySet
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class RobotImport(TenantModel):
    """A file whose rows add and change robots.

    First every row is tried and rolled back, then a user starts the import. The worker that checks
    or runs it holds a lease, which it renews: after its death another worker continues. Exactly one
    of `created_by` and `created_by_key` is set. Kept for 90 days after its end, or after the upload
    if it is never started.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    created_by = unconstrained_fk(
        "accounts.User", db_column="created_by", null=True, editable=False
    )
    created_by_key = unconstrained_fk("accounts.ApiKey", null=True, editable=False)
    file_name = models.CharField(max_length=255, editable=False)
    status = models.CharField(
        max_length=20,
        choices=RobotImportStatus,
        default=RobotImportStatus.CHECKING,
        db_default=RobotImportStatus.CHECKING,
        editable=False,
    )
    mode = models.CharField(  # noqa: DJ001 - NULL until the import is started
        max_length=20, choices=RobotImportMode, null=True, editable=False
    )
    row_count = models.IntegerField(editable=False)
    # Rows that the current step, the check or the import, has processed.
    rows_done = models.IntegerField(default=0, db_default=0, editable=False)
    error_message = models.TextField(default="", db_default="", editable=False)
    lease_id = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    created_at = created_at()
    started_at = models.DateTimeField(null=True, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[Any] = RobotImportQuerySet.as_manager()

    class Meta:
        db_table = "robot_imports"
        ordering = ("-created_at", "id")
        constraints = (
            choices_check("robot_imports", "status", RobotImportStatus),
            choices_check("robot_imports", "mode", RobotImportMode),
            models.CheckConstraint(
                condition=models.Q(created_by__isnull=True, created_by_key__isnull=False)
                | models.Q(created_by__isnull=False, created_by_key__isnull=True),
                name="robot_imports_author_check",
            ),
        )
        indexes = (
            models.Index(fields=("organization", "created_at"), name="idx_robot_imports_created"),
            models.Index(fields=("created_by",), name="idx_robot_imports_author"),
            models.Index(fields=("created_by_key",), name="idx_robot_imports_key"),
        )

    def __str__(self) -> str:
        return self.file_name

    @property
    def percent(self) -> int:
        """Return the share of processed rows, 0 to 100."""
        return min(100, self.rows_done * 100 // max(self.row_count, 1))

    @property
    def is_active(self) -> bool:
        """Return whether the import is being checked or run."""
        return self.status in ACTIVE_ROBOT_IMPORTS

    @property
    def author(self) -> str:
        """Name of the user or API key that uploaded the file."""
        return str(self.created_by or self.created_by_key)


class RobotImportRow(TenantModel):
    """A row of an import of robots, deleted with it.

    Not audited: the changed robots are.
    """

    id = models.BigAutoField(primary_key=True)
    organization = organization_fk()
    robot_import = unconstrained_fk("robots.RobotImport", db_column="import_id", editable=False)
    # As in a spreadsheet: the header is line 1. For JSON, the number of the object.
    line = models.IntegerField(editable=False)
    # Values by column; null for an empty cell.
    values = models.JSONField(editable=False)
    # NULL until the row is checked; afterwards what the check found, or the import has done.
    outcome = models.CharField(  # noqa: DJ001
        max_length=20, choices=RowOutcome, null=True, editable=False
    )
    is_done = models.BooleanField(default=False, db_default=False, editable=False)
    # Errors by column; the empty name is the whole row.
    errors = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField()), editable=False
    )

    objects: ClassVar[Any] = RobotImportRowQuerySet.as_manager()

    class Meta:
        db_table = "robot_import_rows"
        ordering = ("robot_import", "line")
        constraints = (
            models.UniqueConstraint(
                fields=("robot_import", "line"), name="robot_import_rows_line_key"
            ),
            choices_check("robot_import_rows", "outcome", RowOutcome),
        )

    def __str__(self) -> str:
        return f"line {self.line}"
