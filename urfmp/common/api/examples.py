"""Examples of request bodies in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

_Serializer = TypeVar("_Serializer", bound=type)


def body_example(title: str, body: dict[str, Any]) -> Callable[[_Serializer], _Serializer]:
    """Give a serializer an example of what is sent.

    Args:
        title: What it shows, in a few words.
        body: As it is sent.
    """
    example = OpenApiExample(title, value=body, request_only=True)

    def decorate(serializer: _Serializer) -> _Serializer:
        return extend_schema_serializer(examples=[example])(serializer)

    return decorate
