"""Schema editor that keeps the primary keys of hypertables."""

from __future__ import annotations

from typing import Any

from timescale.db.backends.postgresql.schema import TimescaleSchemaEditor


class DatabaseSchemaEditor(TimescaleSchemaEditor):
    """django-timescaledb's editor, kept from dropping every primary key."""

    def _drop_primary_key(self, model: Any) -> None:
        """Drop a primary key only where TimescaleDB cannot keep it.

        A unique index on a hypertable must contain the partition column, so a key with a date
        and time in it stays.
        """
        fields = model._meta.pk_fields
        if not any(field.get_internal_type() == "DateTimeField" for field in fields):
            super()._drop_primary_key(model)
