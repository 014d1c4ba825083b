"""Examples of request bodies in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

_Serializer = TypeVar("_Serializer", bound=type)


def body_example(title: str, body: dict[str, Any]) -> Callable[[_Serializer], _Serializer]:
    """Add an example of a request body to a serializer.

    Args:
        title: Title of the example.
        body: Request body.
    """
    example = OpenApiExample(title, value=body, request_only=True)

    def decorate(serializer: _Serializer) -> _Serializer:
        return extend_schema_serializer(examples=[example])(serializer)

    return decorate
