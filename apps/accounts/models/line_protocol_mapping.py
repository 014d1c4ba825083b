"""Mapping of InfluxDB line protocol tags, stored with each API key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

_MAX_TAGS, _MAX_TAG_LENGTH, _MAX_PREFIX_LENGTH = 50, 100, 50
_PREFIX_PATTERN = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_KEYS = ("robot_tag", "metadata_tags", "dropped_tags", "prefix")
_TAG_LIST_SCHEMA: dict[str, Any] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": _MAX_TAG_LENGTH},
    "maxItems": _MAX_TAGS,
    "uniqueItems": True,
}
JSON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Mapping of tags for line protocol that is written with this key.",
    "properties": {
        "robot_tag": {
            "type": "string",
            "minLength": 1,
            "maxLength": _MAX_TAG_LENGTH,
            "description": "Tag that identifies the robot, by serial number or id.",
        },
        "metadata_tags": {
            **_TAG_LIST_SCHEMA,
            "description": "Tags that are stored as the points' metadata.",
        },
        "dropped_tags": {**_TAG_LIST_SCHEMA, "description": "Tags that are dropped."},
        "prefix": {
            "type": "string",
            "pattern": f"^{_PREFIX_PATTERN.pattern}$",
            "maxLength": _MAX_PREFIX_LENGTH,
            "description": "Prefix of each metric name, without the dot.",
        },
    },
    "additionalProperties": False,
}


@dataclass(frozen=True)
class LineProtocolMapping:
    """Mapping of a line's tags.

    Any other tag becomes part of the metric name.

    Attributes:
        robot_tag: Tag that identifies the robot, besides `robot_id` and `serial_number`.
        metadata_tags: Tags that are stored as metadata.
        dropped_tags: Tags that are dropped.
        prefix: Prefix of each metric name, including the dot; empty for none.
    """

    robot_tag: str = "robot"
    metadata_tags: frozenset[str] = frozenset()
    dropped_tags: frozenset[str] = frozenset()
    prefix: str = ""


def line_protocol_mapping_errors(value: Any) -> list[str]:
    """Return the validation errors of a mapping, one sentence each."""
    if not isinstance(value, dict):
        return ["Enter a JSON object such as {}."]
    errors = [
        f"Unknown key {str(name)[:50]}. Valid keys are {', '.join(_KEYS)}."
        for name in value
        if name not in _KEYS
    ]
    if "robot_tag" in value and not _is_tag(value["robot_tag"]):
        errors.append(f"robot_tag: Enter a tag of 1 to {_MAX_TAG_LENGTH} characters.")
    listed = [value["robot_tag"]] if _is_tag(value.get("robot_tag")) else []
    for name in ("metadata_tags", "dropped_tags"):
        tags = value.get(name, [])
        if not isinstance(tags, list) or len(tags) > _MAX_TAGS or not all(map(_is_tag, tags)):
            errors.append(
                f"{name}: Enter a list of at most {_MAX_TAGS} tags of 1 to {_MAX_TAG_LENGTH}"
                " characters."
            )
        else:
            listed += tags
    if repeated := sorted({tag for tag in listed if listed.count(tag) > 1}):
        errors.append(f"Each tag can be listed only once: {', '.join(repeated)}.")
    if "prefix" in value and not _is_prefix(value["prefix"]):
        errors.append(
            "prefix: Enter lower-case letters, digits and _, in parts separated by dots, at most "
            f"{_MAX_PREFIX_LENGTH} characters."
        )
    return errors


def _is_tag(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= _MAX_TAG_LENGTH and "\x00" not in value


def _is_prefix(value: Any) -> bool:
    is_short = isinstance(value, str) and len(value) <= _MAX_PREFIX_LENGTH
    return is_short and _PREFIX_PATTERN.fullmatch(value) is not None


def validate_line_protocol_mapping(value: Any) -> None:
    """Reject an invalid mapping.

    Raises:
        ValidationError: The mapping is invalid; one message per error.
    """
    if errors := line_protocol_mapping_errors(value):
        raise ValidationError(errors)


def parse_line_protocol_mapping(stored: Any) -> LineProtocolMapping:
    """Return a stored mapping, or the default for one that is invalid."""
    if line_protocol_mapping_errors(stored):
        return LineProtocolMapping()
    return LineProtocolMapping(
        robot_tag=stored.get("robot_tag", "robot"),
        metadata_tags=frozenset(stored.get("metadata_tags", ())),
        dropped_tags=frozenset(stored.get("dropped_tags", ())),
        prefix=f"{stored['prefix']}." if "prefix" in stored else "",
    )
