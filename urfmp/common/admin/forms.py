"""Forms of one organization's rows, and what a service refused."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from urfmp.common.exceptions import ApplicationError

Refusal = ApplicationError | ValidationError


def refusal_messages(error: Refusal) -> list[str]:
    """Return what a refused change is told with."""
    return error.messages if isinstance(error, ValidationError) else [error.message]


class BlankJsonField(forms.JSONField):
    """JSON in a text field that is empty where there is nothing, rather than saying null."""

    def prepare_value(self, value: Any) -> Any:
        """Return the text to edit."""
        return "" if value is None else super().prepare_value(value)


class ScopedModelForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form that knows whose row it edits, and shows why a service refused.

    Attributes:
        request: The request; `get_form` sets it on the class that it makes.
        refusal: Why the service did not carry out what this form sent.
    """

    request: ClassVar[Any] = None
    refusal: ClassVar[Refusal | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Give a new row its organization, so that uniqueness is checked within it."""
        super().__init__(*args, **kwargs)
        self.is_new = kwargs.get("instance") is None
        if self.is_new and self.request and hasattr(self.instance, "organization_id"):
            self.instance.organization_id = self.request.user.organization_id

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() - {"organization"}  # type: ignore[misc,no-any-return]

    def clean(self) -> dict[str, Any]:
        """Add the service's refusal, if it has already refused."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if isinstance(self.refusal, ValidationError) and hasattr(self.refusal, "error_dict"):
            for name, errors in self.refusal.error_dict.items():
                self.add_error(name if name in self.fields else None, errors)
        elif self.refusal is not None:
            self.add_error(None, refusal_messages(self.refusal))
        return values

    def changes(self) -> dict[str, Any]:
        """Return what is handed to the service: the model's fields that were changed or filled."""
        names = {field.name for field in self._meta.model._meta.fields}
        wanted = self.fields if self.is_new else self.changed_data
        return {name: self.cleaned_data[name] for name in wanted if name in names}
