"""Forms of one organization's rows, and errors of services in them."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from django.http import QueryDict
from django.utils.html import strip_tags

from urfmp.common.db.json_values import NESTED_TOO_DEEP, json_storage_error
from urfmp.common.exceptions import ApplicationError
from urfmp.common.rendering.formats import NOTHING
from urfmp.common.time.fields import LocalSplitDateTimeField

ServiceError = ApplicationError | ValidationError


def error_messages(error: ServiceError) -> list[str]:
    """Return the messages of a service's error."""
    return error.messages if isinstance(error, ValidationError) else [error.message]


def json_or_dash(html: Any) -> Any:
    """Return the HTML of a JSON value; a dash for null."""
    return NOTHING if set(strip_tags(html).split()) == {"null"} else html


class BlankJsonField(forms.JSONField):
    """A JSON field that shows an empty text instead of `null`."""

    def to_python(self, value: Any) -> Any:
        """Return the decoded value.

        Raises:
            ValidationError: The text is not JSON, or the value cannot be stored.
        """
        if self.disabled or not isinstance(value, str):
            return super().to_python(value)
        if value in self.empty_values:
            return None
        try:
            decoded = msgspec.json.decode(value)
        except RecursionError as error:
            raise ValidationError(NESTED_TOO_DEEP, code="invalid") from error
        except ValueError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error
        if message := json_storage_error(decoded):
            raise ValidationError(message, code="invalid")
        return decoded

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return the text as entered, which may not be valid JSON."""
        if self.disabled:
            return initial
        return None if data is None else InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        """Return the text to edit."""
        return "" if value is None else super().prepare_value(value)


class ScopedChoiceField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A choice of a related row.

    A text that cannot be a key is rejected without a query.
    """

    def _is_key(self, value: Any) -> bool:
        try:
            self.queryset.model._meta.pk.to_python(value)  # type: ignore[union-attr]
        except ValidationError:
            return False
        return True

    def to_python(self, value: Any) -> Any:
        """Return the selected row.

        Raises:
            ValidationError: The row is not among the choices.
        """
        if value not in self.empty_values and not self._is_key(value):
            raise ValidationError(
                self.error_messages["invalid_choice"],
                code="invalid_choice",
                params={"value": value},
            )
        return super().to_python(value)

    def prepare_value(self, value: Any) -> Any:
        """Return the key that the widget shows as selected."""
        return (
            None
            if isinstance(value, str) and not self._is_key(value)
            else super().prepare_value(value)
        )


def initial_from_query(form: forms.BaseForm, query: QueryDict) -> dict[str, Any]:
    """Return initial values for a form: query parameters that its fields accept."""
    accepted = {}
    for name in form.fields.keys() & query.keys():
        try:
            accepted[name] = _read(form.fields[name], query.getlist(name))
        except (ValidationError, ValueError, OverflowError):
            continue
    return accepted


def _read(field: forms.Field, values: list[str]) -> Any:
    if isinstance(field, LocalSplitDateTimeField):
        return field.clean_text(values[-1])
    if isinstance(field, forms.MultiValueField):
        return field.clean(values[-1].split(" ", 1))
    if isinstance(field, forms.MultipleChoiceField | forms.ModelMultipleChoiceField):
        return field.clean(values)
    return field.clean(values[-1])


class ScopedModelForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form of an organization's row, which shows a service's error.

    Attributes:
        request: Request; `get_form` sets it on the class that it creates.
        service_error: Error of the service that rejected this form's values.
    """

    request: ClassVar[Any] = None
    service_error: ClassVar[ServiceError | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Set a new row's organization, so that uniqueness is checked within it."""
        super().__init__(*args, **kwargs)
        self.is_new = kwargs.get("instance") is None
        if self.is_new and self.request and hasattr(self.instance, "organization_id"):
            self.instance.organization_id = self.request.user.organization_id

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() - {"organization"}  # type: ignore[misc,no-any-return]

    def clean(self) -> dict[str, Any]:
        """Add the service's error, if it has rejected the values."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if isinstance(self.service_error, ValidationError) and hasattr(
            self.service_error, "error_dict"
        ):
            for name, errors in self.service_error.error_dict.items():
                field = self.field_of_error(name)
                # Above the form, the path says what is meant.
                texts = [f"{name}: {text}" for error in errors for text in error.messages]
                self.add_error(field, errors if field or "." not in name else texts)
        elif self.service_error is not None:
            self.add_error(None, error_messages(self.service_error))
        return values

    def field_of_error(self, name: str) -> str | None:
        """Return the field that shows a service's errors of a name."""
        return name if name in self.fields else None

    def service_kwargs(self) -> dict[str, Any]:
        """Return the service's keyword arguments: the new or changed model fields."""
        names = {field.name for field in self._meta.model._meta.fields}
        wanted = self.fields if self.is_new else self.changed_data
        return {name: self.cleaned_data[name] for name in wanted if name in names}
