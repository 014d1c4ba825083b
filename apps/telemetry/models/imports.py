"""Imports of recordings, and the uploaded files."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.telemetry.choices import ACTIVE_IMPORT_STATUSES, ImportStatus
from apps.telemetry.querysets import TelemetryImportPartQuerySet, TelemetryImportQuerySet
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class TelemetryImport(TenantModel):
    """A recording that is imported as telemetry of one robot.

    The worker that runs it holds a lease, which it renews with each batch: after its death another
    worker continues after `last_row`. Kept for 90 days after its end.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    robot = unconstrained_fk("robots.Robot", editable=False)
    created_by = unconstrained_fk("accounts.User", db_column="created_by", editable=False)
    file_name = models.CharField(max_length=255, editable=False)
    file_bytes = models.BigIntegerField(editable=False)
    status = models.CharField(
        max_length=20,
        choices=ImportStatus,
        default=ImportStatus.DRAFT,
        db_default=ImportStatus.DRAFT,
        editable=False,
    )
    # A `RecordingFormat`; null until the import is started.
    format = models.JSONField(null=True, editable=False)
    bytes_done = models.BigIntegerField(default=0, db_default=0, editable=False)
    # Number of the last imported row as in a spreadsheet: the header is row 1.
    last_row = models.BigIntegerField(default=0, db_default=0, editable=False)
    accepted = models.BigIntegerField(default=0, db_default=0, editable=False)
    duplicate = models.BigIntegerField(default=0, db_default=0, editable=False)
    rejected = models.BigIntegerField(default=0, db_default=0, editable=False)
    first_time = models.DateTimeField(null=True, editable=False)
    last_time = models.DateTimeField(null=True, editable=False)
    # The first rejected cells: [{row, column, code, detail}].
    errors = models.JSONField(
        default=list, db_default=models.Value([], models.JSONField()), editable=False
    )
    error_message = models.TextField(default="", db_default="", editable=False)
    lease_id = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    created_at = created_at()
    started_at = models.DateTimeField(null=True, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[Any] = TelemetryImportQuerySet.as_manager()

    class Meta:
        db_table = "telemetry_imports"
        ordering = ("-created_at", "id")
        constraints = (choices_check("telemetry_imports", "status", ImportStatus),)
        indexes = (
            models.Index(
                fields=("organization", "created_at"), name="idx_telemetry_imports_created"
            ),
            models.Index(fields=("robot",), name="idx_telemetry_imports_robot"),
            models.Index(fields=("created_by",), name="idx_telemetry_imports_author"),
        )

    def __str__(self) -> str:
        return self.file_name

    @property
    def percent(self) -> int:
        """Return the share of the file that was read, 0 to 100."""
        return min(100, self.bytes_done * 100 // max(self.file_bytes, 1))

    @property
    def is_active(self) -> bool:
        """Return whether the import is waiting or running."""
        return self.status in ACTIVE_IMPORT_STATUSES


class TelemetryImportPart(TenantModel):
    """A part of an uploaded file; deleted when its import ends.

    In the database, because web and worker share no folder. Not audited.
    """

    id = models.BigAutoField(primary_key=True)
    organization = organization_fk()
    telemetry_import = unconstrained_fk(
        "telemetry.TelemetryImport", db_column="import_id", editable=False
    )
    number = models.IntegerField(editable=False)
    data = models.BinaryField(editable=False)

    objects: ClassVar[Any] = TelemetryImportPartQuerySet.as_manager()

    class Meta:
        db_table = "telemetry_import_parts"
        ordering = ("telemetry_import", "number")
        constraints = (
            models.UniqueConstraint(
                fields=("telemetry_import", "number"), name="telemetry_import_parts_number_key"
            ),
        )

    def __str__(self) -> str:
        return f"part {self.number}"
