"""Base serializers: visible rows only, no unknown fields, no NULL booleans."""

from __future__ import annotations

import base64
import binascii
from typing import Any, ClassVar

from django.db import models
from rest_framework import serializers

from urfmp.common.api.datetimes import AwareDateTimeField


class ScopedRelatedField(serializers.PrimaryKeyRelatedField):  # type: ignore[type-arg]
    """A reference to a row that the principal may view.

    Other ids count as missing.
    """

    def get_queryset(self) -> Any:
        """Return the rows that the principal may refer to."""
        queryset: Any = super().get_queryset()
        if queryset is None:
            return None
        request = self.context.get("request")
        return queryset.restrict(request.user) if request is not None else queryset.none()


def field_names(wanted: str) -> set[str]:
    """Return the names in a `?fields` parameter, which may be empty."""
    return {name.strip(" ") for name in wanted.split(",")} if wanted else set()


def decode_base64(text: str) -> bytes:
    """Return the content of a file that was sent as base64.

    Raises:
        ValidationError: The text is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        msg = "Encode the file in base64."
        raise serializers.ValidationError(msg) from error


class StrictFieldsMixin:
    """Rejects unknown and read-only fields instead of ignoring them."""

    fields: Any

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values.

        Raises:
            ValidationError: A field is unknown or read-only, or its value is invalid.
        """
        if isinstance(data, dict):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            if unknown := sorted(set(data) - writable):
                raise serializers.ValidationError(
                    {
                        name: "This field is read-only."
                        if name in self.fields
                        else "Unknown field."
                        for name in unknown
                    }
                )
            self._reject_long_texts(data)
        return super().to_internal_value(data)  # type: ignore[misc]

    def _reject_long_texts(self, data: dict[str, Any]) -> None:
        """Check the length of texts before surrounding whitespace is stripped."""
        long = {
            name: f"Ensure this field has no more than {field.max_length} characters."
            for name, field in self.fields.items()
            if isinstance(field, serializers.CharField)
            and field.max_length is not None
            and isinstance(data.get(name), str)
            and len(data[name]) > field.max_length
        }
        if long:
            raise serializers.ValidationError(long)


class StrictSerializer(StrictFieldsMixin, serializers.Serializer[Any]):
    """Fields of a request body without a model."""


class ScopedModelSerializer(StrictFieldsMixin, serializers.ModelSerializer):  # type: ignore[type-arg]
    """Fields of one model; `?fields=a,b` omits the others."""

    serializer_related_field = ScopedRelatedField
    serializer_field_mapping: ClassVar[dict[Any, Any]] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: AwareDateTimeField,
    }

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        """Reject NULL for booleans.

        The column allows NULL, but it has no meaning.
        """
        field_class, kwargs = super().build_standard_field(field_name, model_field)
        if isinstance(model_field, models.BooleanField):
            kwargs.pop("allow_null", None)
        return field_class, kwargs

    def get_fields(self) -> dict[str, Any]:
        """Return the fields that the client requested."""
        fields = super().get_fields()
        request = self.context.get("request")
        if request is None or request.method not in {"GET", "HEAD"}:
            return fields
        if not (wanted := request.query_params.get("fields")):
            return fields
        names = field_names(wanted)
        return {name: field for name, field in fields.items() if name in names}
