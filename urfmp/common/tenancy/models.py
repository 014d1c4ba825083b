"""The base class of models that an organization owns."""

from __future__ import annotations

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import models

from urfmp.common.db.constraints import errors_by_field


class TenantModel(models.Model):
    """A row of one organization, in a table with row-level security."""

    is_tenant_owned = True

    class Meta:
        abstract = True

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """Validate constraints, and report each error under its own field.

        Raises:
            ValidationError: A constraint is violated.
        """
        try:
            super().validate_constraints(exclude)
        except ValidationError as error:
            raise ValidationError(errors_by_field(self, error)) from error
