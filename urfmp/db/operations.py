"""Migration operations that Django's models cannot express, each with its reverse."""

from __future__ import annotations

from pathlib import Path
from string import Template

from django.db.migrations import RunSQL

_SQL_FOLDER = Path(__file__).parent / "sql"


def run_sql(migration_file: str, name: str) -> RunSQL:
    """Return the operation that runs `../sql/<name>.sql`; `<name>.reverse.sql` undoes it.

    Args:
        migration_file: `__file__` of the migration.
        name: File name of the script, without suffix.
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
    """Enable row-level security on a tenant table, and audit its changes.

    Args:
        table: Name of the table.
        resource: Dotted resource type in the audit log, such as `robots.robot`.
        ignored: Columns that machines update constantly; their changes are not audited.
        secret: Columns, or JSON paths such as `column.key.key`, audited as `[secret]`.
        organization_column: Column that the policy compares.
    """
    values = {
        "table": table,
        "resource": resource,
        "ignored": ",".join(ignored),
        "secret": ",".join(secret),
        "organization": organization_column,
    }
    return _run_template("protect_table", values)


def require_own_users(table: str, *columns: str) -> RunSQL:
    """Reject rows that name a user of another organization, except platform staff.

    Args:
        table: Name of the table, which has `organization_id`.
        columns: Columns with the ids of users.
    """
    values = {
        "table": table,
        "columns": ", ".join(columns),
        "arguments": ", ".join(f"'{column}'" for column in columns),
    }
    return _run_template("require_own_users", values)


def _run_template(name: str, values: dict[str, str]) -> RunSQL:
    forward, reverse = (
        Template((_SQL_FOLDER / file).read_text(encoding="utf-8")).substitute(values)
        for file in (f"{name}.sql", f"{name}.reverse.sql")
    )
    return RunSQL(forward, reverse)
