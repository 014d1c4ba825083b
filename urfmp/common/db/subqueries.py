"""Querysets inside SQL statements."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet


def named_subquery(rows: QuerySet[Any], prefix: str) -> tuple[str, dict[str, Any]]:
    """Return a queryset as SQL with named parameters, and their values.

    The statement that contains it can then have named parameters of its own.

    Args:
        rows: Queryset whose columns were chosen by `values()` or `values_list()`.
        prefix: Beginning of the parameters' names.

    Raises:
        EmptyResultSet: The queryset is `none()`.
    """
    statement, parameters = rows.query.sql_with_params()
    named = {f"{prefix}_{number}": value for number, value in enumerate(parameters)}
    return statement.replace("%s", "{}").format(*(f"%({name})s" for name in named)), named
