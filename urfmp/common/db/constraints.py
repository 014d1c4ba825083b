"""Constraints that only the database enforces: two writers may both pass validation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError
from django.db.models import F, Model, UniqueConstraint
from psycopg.errors import UniqueViolation


@contextmanager
def unique_error_on(field: str, message: str) -> Iterator[None]:
    """Report a violated unique constraint as an error of one field.

    Enter it outside of the service's transaction, which must be rolled back first.

    Args:
        field: Field whose value is unique.
        message: Error message.

    Raises:
        ValidationError: The block violated a unique constraint, or validation found that it would.
    """
    try:
        yield
    except ValidationError as error:
        # Validation found the duplicate: use the same message as for a database error.
        if not _is_unique_error(error, field):
            raise
        raise ValidationError({**error.error_dict, field: message}) from error
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise ValidationError({field: message}) from error
        raise


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
    rest = []
    for found in errors.pop(NON_FIELD_ERRORS, []):
        if (name := _field_of(row, found)) is None:
            rest.append(found)
        elif not any(known.code == "unique" for known in errors.get(name, ())):
            taken = row.unique_error_message(type(row), (name,))
            errors.setdefault(name, []).append(taken)
    return {**errors, NON_FIELD_ERRORS: rest} if rest else errors


def _field_of(row: Model, found: ValidationError) -> str | None:
    names: set[str] = set()
    if found.code == "unique_together":
        names = {*(found.params or {}).get("unique_check", ())} - {"organization"}
    for constraint in row._meta.constraints:
        if not isinstance(constraint, UniqueConstraint) or not constraint.expressions:
            continue
        if found.message == constraint.get_violation_error_message():
            written: list[Any] = list(constraint.expressions)
            parts: list[Any] = [part for item in written for part in item.flatten()]
            names = {vars(part)["name"] for part in parts if isinstance(part, F)} - {"organization"}
    return names.pop() if len(names) == 1 else None
