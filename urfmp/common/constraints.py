"""Rules that only the database can hold: two writers may pass validation at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from psycopg.errors import UniqueViolation


@contextmanager
def must_be_free(field: str, message: str) -> Iterator[None]:
    """Say that a value is taken, where validation could not see by whom.

    Put it around the service's transaction, so that this is undone before the answer is made.

    Args:
        field: The field whose value is unique.
        message: What to say of it.

    Raises:
        ValidationError: A unique constraint was violated inside.
    """
    try:
        yield
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise ValidationError({field: message}) from error
        raise
