"""Model fields and constraints with the defaults that the database itself carries.

A row written by hand in psql gets the same values as one that a service writes.
"""

from __future__ import annotations

import unicodedata
import uuid
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import models
from django.db.models.expressions import Func
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor

from urfmp.common.tenancy.context import current_actor


class GenerateUuid(Func):
    """`gen_random_uuid()`."""

    function = "gen_random_uuid"
    output_field = models.UUIDField()


class TransactionTimestamp(Func):
    """`now()`: the time at which the transaction began. Django's `Now` is another function."""

    function = "NOW"
    output_field = models.DateTimeField()


# What breaks a line or steers a terminal: no letter, and no header of an e-mail holds it.
_CONTROL = {"Cc", "Zl", "Zp"}


def is_one_line(text: str) -> bool:
    """Tell whether a text has no line break and no other control character."""
    return not any(unicodedata.category(character) in _CONTROL for character in text)


def validate_one_line(value: str) -> None:
    """Refuse a name that reaches over several lines."""
    if not is_one_line(value):
        msg = "Write this in one line, without control characters."
        raise ValidationError(msg, code="one_line")


MIN_DATETIME = datetime(2000, 1, 1, tzinfo=UTC)
MAX_DATETIME = datetime(2200, 1, 1, tzinfo=UTC)


def validate_datetime_range(value: datetime) -> None:
    """Refuse a time that no plant means, and that another timezone could not even write."""
    if not MIN_DATETIME <= value < MAX_DATETIME:
        msg = "Write a time between the years 2000 and 2200."
        raise ValidationError(msg, code="moment")


def bounded_datetime_field(**kwargs: Any) -> models.DateTimeField[Any, Any]:
    """Return a column for a time that people type in."""
    return models.DateTimeField(
        null=True, blank=True, validators=[validate_datetime_range], **kwargs
    )


def bounded_datetime_check(table: str, column: str) -> models.CheckConstraint:
    """Return the CHECK behind `moment`, for rows that no form has seen."""
    return models.CheckConstraint(
        condition=models.Q(**{f"{column}__gte": MIN_DATETIME, f"{column}__lt": MAX_DATETIME}),
        name=f"{table}_{column}_check",
    )


def uuid_primary_key() -> models.UUIDField[Any, Any]:
    """Return the primary key of every table: a random UUID."""
    return models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=GenerateUuid(), editable=False
    )


def created_at() -> models.DateTimeField[Any, Any]:
    """Return a column that the database fills with the start of the inserting transaction."""
    return models.DateTimeField(null=True, db_default=TransactionTimestamp(), editable=False)


def updated_at() -> models.DateTimeField[Any, Any]:
    """Return a column that a trigger renews at every update."""
    return models.DateTimeField(null=True, db_default=TransactionTimestamp(), editable=False)


def organization_fk(**kwargs: Any) -> models.ForeignKey[Any, Any]:
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


class _UserDescriptor(ForwardManyToOneDescriptor):  # type: ignore[type-arg]
    """Reads a person who may be of the platform: their row is behind the tenant wall."""

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        key = getattr(instance, self.field.attname)
        try:
            person = super().__get__(instance, cls)
        except ObjectDoesNotExist:
            if key is None:
                raise
            person = None
        if person is None and key is not None:
            person = self.field.remote_field.model.placeholder_for(key)
            self.field.set_cached_value(instance, person)
        return person


class UserForeignKey(models.ForeignKey[Any, Any]):
    """A reference to a person. A super admin acts in organizations that are not their own."""

    forward_related_accessor_class = _UserDescriptor

    def deconstruct(self) -> Any:
        """Be a plain foreign key to migrations: the column is one."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.ForeignKey", args, kwargs

    def validate(self, value: Any, model_instance: Any) -> None:
        """Take who acts, and who is stored already, without looking the row up.

        Raises:
            ValidationError: There is no such person in the open organization.
        """
        is_stored = not model_instance._state.adding  # noqa: SLF001 - Django's documented place
        if value is not None and (is_stored or value == current_actor().user_id):
            models.Field.validate(self, value, model_instance)
            return
        super().validate(value, model_instance)


def unconstrained_fk(to: str, **kwargs: Any) -> Any:
    """Return a foreign key whose constraint and index are made elsewhere, under their own names."""
    kwargs.setdefault("on_delete", models.PROTECT)
    kwargs.setdefault("related_name", "+")
    kind = UserForeignKey if to == "accounts.User" else models.ForeignKey
    return kind(to, db_constraint=False, db_index=False, **kwargs)


def choices_check(
    table: str, column: str, choices: type[models.TextChoices]
) -> models.CheckConstraint:
    """Return the CHECK that lets a column hold nothing but its choices, or NULL where allowed."""
    return models.CheckConstraint(
        condition=models.Q(**{f"{column}__in": choices.values}),
        name=f"{table}_{column}_check",
    )
