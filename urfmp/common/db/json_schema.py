"""Errors of a JSON value against a JSON Schema, by path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as SchemaError

_TYPE_MESSAGES = {
    "integer": "Enter a whole number.",
    "number": "Enter a number.",
    "string": "Enter a text.",
    "boolean": "Enter true or false.",
    "array": "Enter a list.",
    "object": "Enter an object such as {}.",
}


def schema_errors(value: Any, schema: dict[str, Any], name: str) -> dict[str, list[str]]:
    """Return messages by dotted path, such as `configuration.axes`.

    Args:
        value: Value that `json_storage_error` accepts.
        schema: JSON Schema, draft 2020-12; a pattern needs a `title` for its message.
        name: First part of the paths.
    """
    found: dict[str, list[str]] = {}
    for error in Draft202012Validator(schema).iter_errors(value):
        for path, message in _messages(error):
            key = ".".join([name, *(str(part) for part in path)])
            if message not in found.setdefault(key, []):
                found[key].append(message)
    return found


def _messages(error: SchemaError) -> Iterator[tuple[list[Any], str]]:
    """Yield path and message of an error.

    Each unknown or missing member has its own.
    """
    path: list[Any] = list(error.absolute_path)
    value: Any = error.instance
    schema: Any = error.schema
    rule: Any = error.validator_value
    if error.validator == "additionalProperties":
        for key in sorted(set(value) - set(schema.get("properties", {}))):
            yield [*path, key], "Unknown field."
    elif error.validator == "required":
        for key in rule:
            if key not in value:
                yield [*path, key], "This field is required."
    else:
        yield path, _message(error.validator, schema)


def _message(rule: Any, schema: Any) -> str:
    limits = {
        "maxLength": f"Use at most {schema.get('maxLength')} characters.",
        "minLength": "This field may not be empty.",
        "maxProperties": f"Enter at most {schema.get('maxProperties')} entries.",
        "pattern": f"Enter a {schema.get('title')}.",
    }
    if rule in limits:
        return limits[rule]
    if "enum" in schema:
        return f"Choose one of {', '.join(str(value) for value in schema['enum'] if value)}."
    if "maximum" in schema:
        kind = "whole number" if schema["type"] == "integer" else "number"
        return f"Enter a {kind} from {schema['minimum']:g} to {schema['maximum']:g}."
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    return _TYPE_MESSAGES[kind]
