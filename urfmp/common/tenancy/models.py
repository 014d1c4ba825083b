"""The base of all models that an organization owns."""

from __future__ import annotations

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import models

from urfmp.common.db.constraints import errors_by_field


class TenantModel(models.Model):
    """A row that belongs to one organization; its table stands behind row-level security."""

    is_tenant_owned = True

    class Meta:
        abstract = True

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """Check them, and tell of a value that is taken under its own field's name.

        Raises:
            ValidationError: A constraint is violated.
        """
        try:
            super().validate_constraints(exclude)
        except ValidationError as error:
            raise ValidationError(errors_by_field(self, error)) from error
