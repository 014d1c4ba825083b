"""The OpenAPI schema of one operation."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_doc
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from urfmp.common.api.serializers import ScopedModelSerializer, StrictFieldsMixin

_GENERATED_SUMMARIES = {
    "list": "List {nouns}",
    "create": "Create {noun}",
    "retrieve": "Get {noun}",
    "partial_update": "Update {noun}",
    "destroy": "Delete {noun}",
}


class DocumentedSchema(AutoSchema):
    """drf-spectacular's schema with our headers, `?fields` and strict request bodies."""

    def get_summary(self) -> str | None:
        """Return a short imperative sentence, the title of the operation.

        It is the view's own, or names the model in standard actions, or is the first sentence of
        the docstring of other actions. Views without actions set `summary` in `extend_schema`.
        """
        view: Any = self.view
        action = getattr(view, "action", None)
        if action is None:
            return None
        if own := view.summaries.get(action):
            return str(own)
        if pattern := _GENERATED_SUMMARIES.get(action):
            meta = view.model._meta
            noun = str(meta.verbose_name)
            article = "an" if noun[0] in "aeioAEIO" else "a"  # "u" is that of "user"
            return pattern.format(noun=f"{article} {noun}", nouns=meta.verbose_name_plural)
        return str(get_doc(getattr(view, action))).partition(".")[0]

    def get_override_parameters(self) -> list[Any]:
        """Add the headers of the view's base classes, and `?fields`."""
        parameters: list[Any] = list(super().get_override_parameters())
        headers = getattr(self.view, "documented_headers", None)
        if headers is not None:
            parameters += headers(self.method)
        serializer = self.get_response_serializers()
        kind = serializer if isinstance(serializer, type) else type(serializer)
        if self.method == "GET" and issubclass(kind, ScopedModelSerializer):
            parameters.append(_fields_parameter(sorted(kind.Meta.fields)))
        return parameters

    def get_tags(self) -> list[str]:
        """Return the tag: the noun in the path.

        A robot's telemetry belongs to `telemetry`.
        """
        tokens: list[str] = self._tokenize_path()
        return ["telemetry"] if "telemetry" in tokens else tokens[:1]

    def _map_basic_serializer(self, serializer: Any, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        kind = serializer if isinstance(serializer, type) else type(serializer)
        if kind.__doc__ is None or get_doc(kind.__mro__[1]) == get_doc(kind):
            schema.pop("description", None)
        if direction == "request" and issubclass(kind, StrictFieldsMixin):
            schema["additionalProperties"] = False
        if direction == "response" and issubclass(kind, ScopedModelSerializer):
            # `?fields` leaves members out.
            schema.pop("required", None)
        return schema

    def _map_serializer_field(
        self, field: Any, direction: str, bypass_extensions: bool = False
    ) -> Any:
        schema = super()._map_serializer_field(  # type: ignore[no-untyped-call]
            field, direction, bypass_extensions
        )
        # drf-spectacular writes a nullable "anything" as a oneOf where null matches twice: invalid.
        if isinstance(schema, dict) and schema.get("oneOf") == [{}, {"type": "null"}]:
            schema = {name: value for name, value in schema.items() if name != "oneOf"}
        if direction == "request" and type(field) is serializers.CharField:
            return _with_pattern(schema, field)
        return schema


def _with_pattern(schema: dict[str, Any], field: Any) -> dict[str, Any]:
    """Add a pattern that excludes null characters and, if required, blank texts."""
    excludes_blank = field.trim_whitespace and not field.allow_blank
    pattern = r"^[^\u0000]*\S[^\u0000]*$" if excludes_blank else r"^[^\u0000]*$"
    return {**schema, "pattern": schema.get("pattern", pattern)}


def _fields_parameter(names: list[str]) -> OpenApiParameter:
    one = f" *({'|'.join(names)}) *"
    return OpenApiParameter(
        "fields",
        {"type": "string", "pattern": f"^({one}(,{one})*)?$"},
        OpenApiParameter.QUERY,
        description="Members of the response, separated by commas; the others are omitted.",
    )
