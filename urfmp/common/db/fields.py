"""Model fields and constraints with the defaults that the database itself carries.

A row inserted by hand in psql gets the same values as one that a service writes.
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
    """`now()`: the start time of the transaction. Django's `Now` is another function."""

    function = "NOW"
    output_field = models.DateTimeField()


# Unicode categories of line breaks and control characters, which no e-mail header may contain.
_CONTROL = {"Cc", "Zl", "Zp"}


def is_one_line(text: str) -> bool:
    """Return whether a text has no line breaks or control characters."""
    return not any(unicodedata.category(character) in _CONTROL for character in text)


def validate_one_line(value: str) -> None:
    """Reject a text with line breaks or other control characters.

    Only past migrations refer to it; `urfmp.common.db.names` has the rule for names.
    """
    if not is_one_line(value):
        msg = "Line breaks and control characters are not allowed."
        raise ValidationError(msg, code="one_line")


MIN_DATETIME = datetime(2000, 1, 1, tzinfo=UTC)
MAX_DATETIME = datetime(2200, 1, 1, tzinfo=UTC)


def validate_datetime_range(value: datetime) -> None:
    """Reject years outside 2000 to 2199: typos, which overflow in timezone conversion."""
    if not MIN_DATETIME <= value < MAX_DATETIME:
        msg = "Enter a date and time between the years 2000 and 2200."
        raise ValidationError(msg, code="moment")


def bounded_datetime_field(**kwargs: Any) -> models.DateTimeField[Any, Any]:
    """Return a column for a date and time that users enter."""
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
    """Return a column that defaults to the start of the inserting transaction."""
    return models.DateTimeField(null=True, db_default=TransactionTimestamp(), editable=False)


def updated_at() -> models.DateTimeField[Any, Any]:
    """Return a column that a trigger sets at every update."""
    return models.DateTimeField(null=True, db_default=TransactionTimestamp(), editable=False)


def organization_fk(**kwargs: Any) -> models.ForeignKey[Any, Any]:
    """Return the organization column; SQL creates its constraint under the spec's name."""
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
    """Reads a user who may be platform staff.

    Row-level security hides their row; a placeholder replaces it.
    """

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        key = getattr(instance, self.field.attname)
        try:
            user = super().__get__(instance, cls)
        except ObjectDoesNotExist:
            if key is None:
                raise
            user = None
        if user is None and key is not None:
            user = self.field.remote_field.model.placeholder_for(key)
            self.field.set_cached_value(instance, user)
        return user


class UserForeignKey(models.ForeignKey[Any, Any]):
    """A foreign key to a user, who may be platform staff."""

    forward_related_accessor_class = _UserDescriptor

    def deconstruct(self) -> Any:
        """Return a plain foreign key: migrations see no difference."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.ForeignKey", args, kwargs

    def validate(self, value: Any, model_instance: Any) -> None:
        """Accept the current actor and a stored user without a query.

        Raises:
            ValidationError: The open organization has no such user.
        """
        is_stored = not model_instance._state.adding  # noqa: SLF001 - Django's documented place
        if value is not None and (is_stored or value == current_actor().user_id):
            models.Field.validate(self, value, model_instance)
            return
        super().validate(value, model_instance)


def unconstrained_fk(to: str, **kwargs: Any) -> Any:
    """Return a foreign key without constraint and index.

    SQL creates them under their own names.
    """
    kwargs.setdefault("on_delete", models.PROTECT)
    kwargs.setdefault("related_name", "+")
    kind = UserForeignKey if to == "accounts.User" else models.ForeignKey
    return kind(to, db_constraint=False, db_index=False, **kwargs)


def choices_check(
    table: str, column: str, choices: type[models.TextChoices]
) -> models.CheckConstraint:
    """Return the CHECK that limits a column to its choices."""
    return models.CheckConstraint(
        condition=models.Q(**{f"{column}__in": choices.values}),
        name=f"{table}_{column}_check",
    )
