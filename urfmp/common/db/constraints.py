"""Constraints that only the database enforces: two writers may both pass validation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError
from django.db.models import F, Model, UniqueConstraint
from psycopg.errors import CheckViolation, UniqueViolation


@contextmanager
def unique_error_on(field: str, message: str, *constraints: str) -> Iterator[None]:
    """Report a violation of given unique constraints as one field's error.

    Violations of other constraints pass unchanged. Enter it outside of the service's transaction,
    which must be rolled back first.

    Args:
        field: Field whose value is unique.
        message: Error message.
        constraints: Names of the constraints or unique indexes that keep it unique.

    Raises:
        ValidationError: The block violated one of them, or validation found that it would.
    """
    try:
        yield
    except ValidationError as error:
        # Validation found the duplicate: use the same message as for a database error.
        if not _is_unique_error(error, field):
            raise
        raise ValidationError({**error.error_dict, field: message}) from error
    except IntegrityError as error:
        if _violated_unique_constraint(error) not in constraints:
            raise
        raise ValidationError({field: message}) from error


def _violated_unique_constraint(error: IntegrityError) -> str | None:
    cause = error.__cause__
    return cause.diag.constraint_name if isinstance(cause, UniqueViolation) else None


def violated_check(error: IntegrityError) -> str | None:
    """Return the violated check constraint, or a trigger's check."""
    cause = error.__cause__
    return cause.diag.constraint_name if isinstance(cause, CheckViolation) else None


def _is_unique_error(error: ValidationError, field: str) -> bool:
    errors = error.error_dict.get(field, ()) if hasattr(error, "error_dict") else ()
    return any(found.code == "unique" for found in errors)


def errors_by_field(row: Model, error: ValidationError) -> dict[str, list[Any]]:
    """Return constraint errors, each under the field that the user can change.

    Django reports a constraint over several columns, or over an expression, without a field. If
    one column remains beside the organization, its value is the duplicate.

    Args:
        row: Row that was validated.
        error: Error that Django raised.
    """
    errors: dict[str, list[Any]] = dict(error.error_dict)
    non_field_errors = []
    for found in errors.pop(NON_FIELD_ERRORS, []):
        if (name := _duplicate_field(row, found)) is None:
            non_field_errors.append(found)
        elif not any(known.code == "unique" for known in errors.get(name, ())):
            duplicate_error = row.unique_error_message(type(row), (name,))
            errors.setdefault(name, []).append(duplicate_error)
    return {**errors, NON_FIELD_ERRORS: non_field_errors} if non_field_errors else errors


def _duplicate_field(row: Model, error: ValidationError) -> str | None:
    names: set[str] = set()
    if error.code == "unique_together":
        names = {*(error.params or {}).get("unique_check", ())}
    for constraint in row._meta.constraints:
        if not isinstance(constraint, UniqueConstraint) or not constraint.expressions:
            continue
        if error.message == constraint.get_violation_error_message():
            expressions: list[Any] = list(constraint.expressions)
            nodes: list[Any] = [node for item in expressions for node in item.flatten()]
            names = {vars(node)["name"] for node in nodes if isinstance(node, F)}
    names -= {"organization"}
    return names.pop() if len(names) == 1 else None
