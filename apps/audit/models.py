"""The audit log: actions, their actors, and the changes they made."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.db import models

from apps.audit.querysets import AuditLogQuerySet
from urfmp.common.db.fields import created_at, unconstrained_fk, uuid_primary_key
from urfmp.common.rendering.formats import format_datetime
from urfmp.common.tenancy.models import TenantModel


class AuditLog(TenantModel):
    """One audited action, written by triggers and by `audit_record()`.

    A row without an organization belongs to the platform. Rows are append-only: this model cannot
    save or delete, and rows older than a year are deleted by a function of the tables' owner.
    """

    id = uuid_primary_key()
    organization = models.ForeignKey(
        "organizations.Organization",
        models.PROTECT,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    user = unconstrained_fk("accounts.User", null=True)
    api_key = unconstrained_fk("accounts.ApiKey", null=True, on_delete=models.DO_NOTHING)
    action = models.CharField(max_length=100)
    resource_type = models.CharField(max_length=50, null=True)  # noqa: DJ001 - spec
    resource_id = models.UUIDField(null=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    ip_address = models.GenericIPAddressField("IP address", null=True)
    user_agent = models.TextField(null=True)  # noqa: DJ001 - spec
    request_id = models.CharField(max_length=64, null=True)  # noqa: DJ001 - as the others
    request_data = models.JSONField(null=True)
    response_data = models.JSONField(null=True)
    success = models.BooleanField()
    error_message = models.TextField(null=True)  # noqa: DJ001 - spec
    seq = models.BigIntegerField(null=True)
    hash = models.BinaryField(null=True)
    created_at = created_at()

    objects: ClassVar[Any] = AuditLogQuerySet.as_manager()

    class Meta:
        db_table = "audit_logs"
        ordering = ("-created_at", "id")
        verbose_name = "audit log entry"
        verbose_name_plural = "audit log entries"
        indexes = (
            models.Index(fields=("organization",), name="idx_audit_organization"),
            models.Index(fields=("user",), name="idx_audit_user"),
            models.Index(fields=("created_at",), name="idx_audit_created"),
            models.Index(fields=("action",), name="idx_audit_action"),
            models.Index(
                fields=("organization", "-created_at"), name="idx_audit_organization_created"
            ),
            models.Index(fields=("resource_type", "resource_id"), name="idx_audit_resource"),
            models.Index(
                fields=("organization", "action", "-created_at"), name="idx_audit_action_created"
            ),
            models.Index(
                fields=("api_key", "-created_at"),
                name="idx_audit_api_key",
                condition=models.Q(api_key__isnull=False),
            ),
            models.Index(
                fields=("request_id",),
                name="idx_audit_request",
                condition=models.Q(request_id__isnull=False),
            ),
            models.Index(
                fields=("organization", "-created_at"),
                name="idx_audit_failures",
                condition=models.Q(success=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.action} at {format_datetime(self.created_at)}"

    @property
    def actor_name(self) -> str:
        """Name of the actor; for one of another organization, only its kind."""
        if self.user_id is not None:
            return str(self.user) if self.user is not None else "Platform staff"
        if self.api_key_id is not None:
            return f"Key {self.api_key.name}" if self.api_key is not None else "A deleted key"
        return "The system"

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Reject: only the database writes audit rows."""
        msg = "Only the database writes audit rows."
        raise TypeError(msg)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Reject: audit rows are append-only."""
        msg = "Audit rows are append-only."
        raise TypeError(msg)


class AuditHead(models.Model):
    """Head of one audit chain: number and hash of its newest row.

    One row per organization, and one for the platform under the nil UUID. Only functions of the
    tables' owner can access it.
    """

    chain = models.UUIDField(primary_key=True)
    seq = models.BigIntegerField(db_default=0)
    hash = models.BinaryField(db_default=b"")

    class Meta:
        db_table = "audit_heads"
        ordering = ("chain",)

    def __str__(self) -> str:
        return f"{self.chain} at {self.seq}"


class AuditGap(models.Model):
    """Range of deleted row numbers, and the hash of the last one.

    The clean-up writes it, so that the rest of the chain remains verifiable. Only functions of the
    tables' owner can access it.
    """

    chain = models.UUIDField()
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    hash = models.BinaryField()

    class Meta:
        db_table = "audit_gaps"
        ordering = ("chain", "first_seq")
        constraints = (
            models.UniqueConstraint(fields=("chain", "first_seq"), name="audit_gaps_first_key"),
        )

    def __str__(self) -> str:
        return f"{self.chain} from {self.first_seq} to {self.last_seq}"


class AuditCheckpointSeal(models.Model):
    """Hash of the secret that the next checkpoint reveals.

    One row at most. Only functions of the tables' owner can access it.
    """

    id = models.SmallIntegerField(primary_key=True)
    label = models.UUIDField()
    seal = models.BinaryField()

    class Meta:
        db_table = "audit_checkpoint_seals"
        constraints = (
            models.CheckConstraint(
                condition=models.Q(id=1), name="audit_checkpoint_seals_id_check"
            ),
        )

    def __str__(self) -> str:
        return f"Seal {self.label}"
