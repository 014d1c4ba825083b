"""Claim codes of robots."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from apps.robots.querysets import RobotClaimCodeQuerySet
from urfmp.common.db.fields import (
    created_at,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class RobotClaimCode(TenantModel):
    """One-time code that a robot exchanges for its own API key.

    The code is stored as a digest and shown once. A robot has at most one: a newer code replaces
    it. The exchange deletes the row, as do revocation and retirement; expired rows are deleted
    every night.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    robot = unconstrained_fk("robots.Robot", on_delete=models.DO_NOTHING, editable=False)
    code_digest = models.CharField(max_length=64, editable=False)
    created_by = unconstrained_fk("accounts.User", db_column="created_by", editable=False)
    expires_at = models.DateTimeField(editable=False)
    created_at = created_at()

    objects: ClassVar[Any] = RobotClaimCodeQuerySet.as_manager()

    class Meta:
        db_table = "robot_claim_codes"
        ordering = ("-created_at", "id")
        constraints = (
            models.UniqueConstraint(fields=("robot",), name="robot_claim_codes_robot_key"),
            models.UniqueConstraint(fields=("code_digest",), name="robot_claim_codes_digest_key"),
        )
        indexes = (
            models.Index(fields=("organization",), name="idx_claim_codes_organization"),
            models.Index(fields=("created_by",), name="idx_claim_codes_author"),
        )

    def __str__(self) -> str:
        return f"claim code of {self.robot_id}"

    @property
    def is_expired(self) -> bool:
        """Return whether the code has expired."""
        return self.expires_at <= timezone.now()
