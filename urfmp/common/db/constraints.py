"""Rules that only the database can hold: two writers may pass validation at the same time."""

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
    """Say that a value is taken, where validation could not see by whom.

    Put it around the service's transaction, so that this is undone before the answer is made.

    Args:
        field: The field whose value is unique.
        message: What to say of it.

    Raises:
        ValidationError: A unique constraint was, or would be, violated inside.
    """
    try:
        yield
    except ValidationError as error:
        # Validation has seen it: the same words as for what only the database sees.
        if not _is_unique_error(error, field):
            raise
        raise ValidationError({**error.error_dict, field: message}) from error
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise ValidationError({field: message}) from error
        raise


def _is_unique_error(error: ValidationError, field: str) -> bool:
    faults = error.error_dict.get(field, ()) if hasattr(error, "error_dict") else ()
    return any(fault.code == "unique" for fault in faults)


def errors_by_field(row: Model, error: ValidationError) -> dict[str, list[Any]]:
    """Return the faults that constraints found, each under the field that people can change.

    Django tells of a constraint over several columns, or over an expression, under no field. Where
    one column is left beside the organization, it is that one's value which is taken.

    Args:
        row: What was checked.
        error: What Django says of it.
    """
    faults: dict[str, list[Any]] = dict(error.error_dict)
    rest = []
    for fault in faults.pop(NON_FIELD_ERRORS, []):
        if (name := _field_of(row, fault)) is None:
            rest.append(fault)
        elif not any(known.code == "unique" for known in faults.get(name, ())):
            taken = row.unique_error_message(type(row), (name,))
            faults.setdefault(name, []).append(taken)
    return {**faults, NON_FIELD_ERRORS: rest} if rest else faults


def _field_of(row: Model, fault: ValidationError) -> str | None:
    names: set[str] = set()
    if fault.code == "unique_together":
        names = {*(fault.params or {}).get("unique_check", ())} - {"organization"}
    for constraint in row._meta.constraints:
        if not isinstance(constraint, UniqueConstraint) or not constraint.expressions:
            continue
        if fault.message == constraint.get_violation_error_message():
            written: list[Any] = list(constraint.expressions)
            parts: list[Any] = [part for item in written for part in item.flatten()]
            names = {vars(part)["name"] for part in parts if isinstance(part, F)} - {"organization"}
    return names.pop() if len(names) == 1 else None
