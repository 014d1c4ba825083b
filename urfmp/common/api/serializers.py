"""Serializer base: own rows only, no unknown fields, no NULL where the spec merely allows it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from rest_framework import serializers

from urfmp.common.api.datetimes import AwareDateTimeField


class ScopedRelatedField(serializers.PrimaryKeyRelatedField):  # type: ignore[type-arg]
    """A reference to a row that the caller may see; any other id does not exist."""

    def get_queryset(self) -> Any:
        """Return the rows that may be referred to."""
        queryset: Any = super().get_queryset()
        if queryset is None:
            return None
        request = self.context.get("request")
        return queryset.restrict(request.user) if request is not None else queryset.none()


def field_names(wanted: str) -> set[str]:
    """Return the names in a `?fields` parameter; none for an empty one."""
    return {name.strip(" ") for name in wanted.split(",")} if wanted else set()


class StrictFieldsMixin:
    """Refuse a field that is unknown, or that only the server writes, rather than ignore it."""

    fields: Any

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what cannot be written.

        Raises:
            ValidationError: A field is unknown or read-only, or a value does not fit.
        """
        if isinstance(data, dict):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            if unknown := sorted(set(data) - writable):
                raise serializers.ValidationError(
                    {
                        name: "This field cannot be written."
                        if name in self.fields
                        else "There is no such field."
                        for name in unknown
                    }
                )
            self._refuse_long_texts(data)
        return super().to_internal_value(data)  # type: ignore[misc]

    def _refuse_long_texts(self, data: dict[str, Any]) -> None:
        """Look at the length of texts as they were sent: blanks at the ends are cut off later."""
        long = {
            name: f"Write at most {field.max_length} characters."
            for name, field in self.fields.items()
            if isinstance(field, serializers.CharField)
            and field.max_length is not None
            and isinstance(data.get(name), str)
            and len(data[name]) > field.max_length
        }
        if long:
            raise serializers.ValidationError(long)


class StrictSerializer(StrictFieldsMixin, serializers.Serializer[Any]):
    """Fields of a body that is no model."""


class ScopedModelSerializer(StrictFieldsMixin, serializers.ModelSerializer):  # type: ignore[type-arg]
    """Fields of one model.

    `?fields=a,b` leaves out the others.
    """

    serializer_related_field = ScopedRelatedField
    serializer_field_mapping: ClassVar[dict[Any, Any]] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: AwareDateTimeField,
    }

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        """Refuse NULL for booleans: the column takes it, but it means nothing."""
        field_class, kwargs = super().build_standard_field(field_name, model_field)
        if isinstance(model_field, models.BooleanField):
            kwargs.pop("allow_null", None)
        return field_class, kwargs

    def get_fields(self) -> dict[str, Any]:
        """Return the fields that the caller asked for."""
        fields = super().get_fields()
        request = self.context.get("request")
        if request is None or request.method not in {"GET", "HEAD"}:
            return fields
        if not (wanted := request.query_params.get("fields")):
            return fields
        names = field_names(wanted)
        return {name: field for name, field in fields.items() if name in names}
