"""Model fields and constraints with the defaults that the database itself carries.

A row written by hand in psql gets the same values as one that a service writes.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.expressions import Func


class GenerateUuid(Func):
    """`gen_random_uuid()`."""

    function = "gen_random_uuid"
    output_field = models.UUIDField()


class TransactionNow(Func):
    """`now()`: the time at which the transaction began. Django's `Now` is another function."""

    function = "NOW"
    output_field = models.DateTimeField()


EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def validate_moment(value: datetime) -> None:
    """Refuse a time that no plant means, and that another timezone could not even write."""
    if not EARLIEST <= value < LATEST:
        msg = "Write a time between the years 2000 and 2200."
        raise ValidationError(msg, code="moment")


def moment(**kwargs: Any) -> models.DateTimeField[Any, Any]:
    """Return a column for a time that people type in."""
    return models.DateTimeField(null=True, blank=True, validators=[validate_moment], **kwargs)


def moment_check(table: str, column: str) -> models.CheckConstraint:
    """Return the CHECK behind `moment`, for rows that no form has seen."""
    return models.CheckConstraint(
        condition=models.Q(**{f"{column}__gte": EARLIEST, f"{column}__lt": LATEST}),
        name=f"{table}_{column}_check",
    )


def uuid_primary_key() -> models.UUIDField[Any, Any]:
    """Return the primary key of every table: a random UUID."""
    return models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=GenerateUuid(), editable=False
    )


def created_at() -> models.DateTimeField[Any, Any]:
    """Return a column that the database fills with the start of the inserting transaction."""
    return models.DateTimeField(null=True, db_default=TransactionNow(), editable=False)


def updated_at() -> models.DateTimeField[Any, Any]:
    """Return a column that a trigger renews at every update."""
    return models.DateTimeField(null=True, db_default=TransactionNow(), editable=False)


def organization_key(**kwargs: Any) -> models.ForeignKey[Any, Any]:
    """Return the tenant's column. The foreign key itself is made by SQL under the spec's name."""
    return models.ForeignKey(
        "organizations.Organization",
        models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
        editable=False,
        **kwargs,
    )


def plain_key(to: str, **kwargs: Any) -> Any:
    """Return a foreign key whose constraint and index are made elsewhere, under their own names."""
    kwargs.setdefault("on_delete", models.PROTECT)
    kwargs.setdefault("related_name", "+")
    return models.ForeignKey(to, db_constraint=False, db_index=False, **kwargs)


def choices_check(
    table: str, column: str, choices: type[models.TextChoices]
) -> models.CheckConstraint:
    """Return the CHECK that lets a column hold nothing but its choices, or NULL where allowed."""
    return models.CheckConstraint(
        condition=models.Q(**{f"{column}__in": choices.values}),
        name=f"{table}_{column}_check",
    )
