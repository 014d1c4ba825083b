"""Normalize names and identifiers, and reject invisible characters.

Names are what users read: names of robots, users and keys, titles. They are stored in NFC, because
NFKC would change their meaning ("Tank 10²"). Identifiers are what users and machines compare:
serial numbers, vendors, firmware versions, keys of alerts. They are stored in NFKC, so that the
full-width letters of an input method equal plain ones. The SQL functions `is_name` and
`is_identifier` enforce the form in the database.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models.expressions import Func

if TYPE_CHECKING:
    _CharField = models.CharField[Any, Any]
    _EmailField = models.EmailField[Any, Any]
else:
    _CharField, _EmailField = models.CharField, models.EmailField

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Characters that a reader cannot see: zero-width, directional and hieroglyphic formatting, fillers,
# tags, private use, surrogates, noncharacters. The SQL function is_visible_text has the same.
_INVISIBLE = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ud800-\uf8ff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U00013430-\U0001345f\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a"
    "\U000e0000-\U000e00ff"
    "\U000e01f0-\U000e0fff\U000f0000-\U0010ffff]"
)
# Joiners and variation selectors. They shape words of some scripts, Han characters and emoji.
_MODIFIER = re.compile("[\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# A modifier without effect: at the start, or after a blank or a Latin, Greek or Cyrillic letter.
_STRAY_MODIFIER = re.compile(
    "(?:^|[\x00-\x22\x24-\x29\x2b-\x2f\x3a-\xa8\xaa-\xad\xaf-\u058f\u1c80-\u1c8f\u1d00-\u1fff])"
    f"{_MODIFIER.pattern}|{_MODIFIER.pattern}{{3}}"
)
_BLANKS = re.compile("[ \xa0\u1680\u2000-\u200a\u202f\u205f\u3000]+")

_MAX_FILE_NAME_LENGTH = 255

CONTROL_MESSAGE = "Line breaks and control characters are not allowed."
NOTHING_VISIBLE_MESSAGE = "Enter at least one letter, digit or symbol."


def normalize_name(text: str) -> str:
    """Return a text in NFC, trimmed, with single blanks."""
    return text if _is_plain(text) else _normalized(text, "NFC")


def normalize_identifier(text: str) -> str:
    """Return a text in NFKC, trimmed, with single blanks."""
    return text if _is_plain(text) else _normalized(text, "NFKC")


def normalize_file_name(file_name: str) -> str:
    """Return the name of an uploaded file without folders and control characters.

    At most its last 255 characters; empty if nothing is left.
    """
    name = "".join(c if c.isprintable() else " " for c in PurePath(file_name).name)
    return " ".join(name.split())[-_MAX_FILE_NAME_LENGTH:]


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and text.strip() == text and "  " not in text


def _normalized(text: str, form: Any) -> str:
    # Twice: compatibility characters may decompose into blanks.
    blanks = _BLANKS.sub(" ", unicodedata.normalize(form, text.strip()))
    return unicodedata.normalize(form, blanks).strip()


def name_error(name: str) -> str | None:
    """Return why a normalized name cannot be stored, or None."""
    if name.isascii() and name.isprintable() and not name.isspace():
        return None
    if _CONTROL.search(name):
        return CONTROL_MESSAGE
    if found := _INVISIBLE.search(name):
        return _invisible_message(found.group())
    if found := _STRAY_MODIFIER.search(name):
        return _invisible_message(found.group()[-1])
    return None if has_visible_character(name) else NOTHING_VISIBLE_MESSAGE


def identifier_error(identifier: str) -> str | None:
    """Return why a normalized identifier cannot be stored, or None."""
    if found := _MODIFIER.search(identifier):
        return _invisible_message(found.group())
    return name_error(identifier)


def has_visible_character(text: str) -> bool:
    """Return whether a text contains a letter, digit or symbol."""
    return any(
        unicodedata.category(character)[0] in "LNPSC"
        and not _CONTROL.match(character)
        and not _INVISIBLE.match(character)
        and not _MODIFIER.match(character)
        for character in text
    )


def _invisible_message(character: str) -> str:
    return f"Invisible characters are not allowed. Remove U+{ord(character):04X}."


def validate_name(value: str) -> None:
    """Reject a name with characters that cannot be seen."""
    if message := name_error(normalize_name(value)):
        raise ValidationError(message, code="name")


def validate_identifier(value: str) -> None:
    """Reject an identifier with characters that cannot be seen."""
    if message := identifier_error(normalize_identifier(value)):
        raise ValidationError(message, code="name")


def validate_visible(value: str) -> None:
    """Reject a text in which nothing can be seen."""
    if not has_visible_character(value):
        raise ValidationError(NOTHING_VISIBLE_MESSAGE, code="name")


class _NormalizedMixin:
    """A text column that stores and compares the normal form."""

    null: bool

    @staticmethod
    def normalize(text: str) -> str:
        """Return a text in its normal form."""
        return normalize_name(text)

    def to_python(self, value: Any) -> Any:
        """Return the normal form."""
        value = super().to_python(value)  # type: ignore[misc]
        return self._normal(value)

    def get_prep_value(self, value: Any) -> Any:
        """Return the value to store or to compare with."""
        return self._normal(super().get_prep_value(value))  # type: ignore[misc]

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """Store NULL for an empty text of an optional column."""
        value = self._normal(super().pre_save(model_instance, add))  # type: ignore[misc]
        return None if value == "" and self.null else value

    def _normal(self, value: Any) -> Any:
        return self.normalize(value) if isinstance(value, str) else value


class NameField(_NormalizedMixin, _CharField):
    """A name or title that users read, on one line."""

    default_validators: Any = (validate_name,)

    def deconstruct(self) -> Any:
        """Return a plain text column: migrations see no difference."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class IdentifierField(_NormalizedMixin, _CharField):
    """An identifier that users and machines compare."""

    default_validators: Any = (validate_identifier,)
    normalize = staticmethod(normalize_identifier)

    def deconstruct(self) -> Any:
        """Return a plain text column: migrations see no difference."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class EmailIdentifierField(_NormalizedMixin, _EmailField):
    """An e-mail address, which identifies a user."""

    default_validators: Any = (*models.EmailField.default_validators, validate_identifier)
    normalize = staticmethod(normalize_identifier)

    def deconstruct(self) -> Any:
        """Return a plain e-mail column: migrations see no difference."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.EmailField", args, kwargs


class IsName(Func):
    """The SQL function `is_name`."""

    function = "is_name"
    output_field = models.BooleanField()


class IsIdentifier(Func):
    """The SQL function `is_identifier`."""

    function = "is_identifier"
    output_field = models.BooleanField()


class _NormalTextCheck(models.CheckConstraint):
    """A CHECK of the form, which Python decides alone for ASCII.

    The database may know a newer version of Unicode: its answer is an error of the field.
    """

    @property
    def column(self) -> str:
        """Name of the column."""
        (field,) = self.condition.get_source_expressions()  # type: ignore[union-attr]
        return str(field.name)

    def validate(
        self,
        model: type[models.Model],
        instance: models.Model,
        exclude: set[str] | None = None,
        using: str = DEFAULT_DB_ALIAS,
    ) -> None:
        """Ask the database about a text beyond ASCII.

        Raises:
            ValidationError: The text is not in its normal form there.
        """
        value = getattr(instance, self.column)
        if value is None or value.isascii() or self.column in (exclude or ()):
            return
        try:
            super().validate(model, instance, exclude, using)
        except ValidationError as error:
            msg = "The text contains characters that cannot be stored. Use other ones."
            raise ValidationError({self.column: msg}) from error

    def deconstruct(self) -> Any:
        """Return a plain CHECK: migrations see no difference."""
        _, args, kwargs = super().deconstruct()
        return "django.db.models.CheckConstraint", args, kwargs


def name_check(table: str, column: str) -> models.CheckConstraint:
    """Return the CHECK that a column contains a name."""
    return _check(table, column, IsName(models.F(column)))


def identifier_check(table: str, column: str) -> models.CheckConstraint:
    """Return the CHECK that a column contains an identifier."""
    return _check(table, column, IsIdentifier(models.F(column)))


def _check(table: str, column: str, condition: Func) -> models.CheckConstraint:
    return _NormalTextCheck(condition=condition, name=f"{table}_{column}_form_check")
