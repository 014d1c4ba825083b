"""Read-only list of all organizations, for super admins."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.organizations.choices import Plan
from apps.organizations.querysets import (
    PlatformOrganizationQuerySet,
)


class PlatformOrganization(models.Model):
    """An organization in the super admins' list, with its usage counts.

    A database view over a function of the tables' owner, which returns rows to super admins only.
    Read-only.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    name = models.CharField(max_length=255)
    slug = models.CharField(max_length=100)
    plan = models.CharField(max_length=50, choices=Plan)
    is_active = models.BooleanField("active")
    created_at = models.DateTimeField()
    robot_count = models.BigIntegerField("robots")
    user_count = models.BigIntegerField("users")
    api_key_count = models.BigIntegerField("API keys")

    objects: ClassVar[Any] = PlatformOrganizationQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "platform_organizations"
        ordering = ("name", "id")
        verbose_name = "organization"

    def __str__(self) -> str:
        return self.name
