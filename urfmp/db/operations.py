"""Migration operations for what Django's models cannot say, each with its reverse."""

from __future__ import annotations

from pathlib import Path
from string import Template

from django.db.migrations import RunSQL

_SQL_FOLDER = Path(__file__).parent / "sql"


def run_sql(migration_file: str, name: str) -> RunSQL:
    """Load `../sql/<name>.sql` beside a migration, and `<name>.reverse.sql` to undo it.

    Args:
        migration_file: The migration's `__file__`.
        name: The script's name without an ending.
    """
    folder = Path(migration_file).resolve().parent.parent / "sql"
    return RunSQL(
        (folder / f"{name}.sql").read_text(encoding="utf-8"),
        (folder / f"{name}.reverse.sql").read_text(encoding="utf-8"),
    )


def protect_table(
    table: str,
    resource: str,
    *,
    ignored: tuple[str, ...] = (),
    secret: tuple[str, ...] = (),
    organization_column: str = "organization_id",
) -> RunSQL:
    """Put a tenant table behind row-level security and record its every change.

    Args:
        table: The table's name.
        resource: Dotted name in the record, as in `robots.robot`.
        ignored: Columns that machines move all day; their changes are not recorded.
        secret: Columns, or JSON paths written `column.key.key`, recorded as `[secret]`.
        organization_column: The column that the policy compares.
    """
    values = {
        "table": table,
        "resource": resource,
        "ignored": ",".join(ignored),
        "secret": ",".join(secret),
        "organization": organization_column,
    }
    forward, reverse = (
        Template((_SQL_FOLDER / name).read_text(encoding="utf-8")).substitute(values)
        for name in ("protect_table.sql", "protect_table.reverse.sql")
    )
    return RunSQL(forward, reverse)
