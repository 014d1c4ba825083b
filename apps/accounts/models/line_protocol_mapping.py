"""How a key's lines of InfluxDB's protocol are read: which tags name the robot, or are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

_MOST_TAGS, _LONGEST_TAG, _LONGEST_PREFIX = 50, 100, 50
_PREFIX = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_KEYS = ("robot_tag", "metadata_tags", "dropped_tags", "prefix")
_TAGS: dict[str, Any] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": _LONGEST_TAG},
    "maxItems": _MOST_TAGS,
    "uniqueItems": True,
}
JSON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "How lines of InfluxDB's protocol are read that are written with this key.",
    "properties": {
        "robot_tag": {
            "type": "string",
            "minLength": 1,
            "maxLength": _LONGEST_TAG,
            "description": "The tag that names the robot, by serial number or id.",
        },
        "metadata_tags": {**_TAGS, "description": "Tags that become the points' metadata."},
        "dropped_tags": {**_TAGS, "description": "Tags that are left out."},
        "prefix": {
            "type": "string",
            "pattern": f"^{_PREFIX.pattern}$",
            "maxLength": _LONGEST_PREFIX,
            "description": "What stands before the name of each metric.",
        },
    },
    "additionalProperties": False,
}


@dataclass(frozen=True)
class LineMapping:
    """How the tags of a line are used; every tag that is not named becomes part of the name.

    Attributes:
        robot_tag: The tag that names the robot, besides `robot_id` and `serial_number`.
        metadata_tags: Tags that become metadata.
        dropped_tags: Tags that are left out.
        prefix: What stands before each name, with its dot.
    """

    robot_tag: str = "robot"
    metadata_tags: frozenset[str] = frozenset()
    dropped_tags: frozenset[str] = frozenset()
    prefix: str = ""


def mapping_faults(value: Any) -> list[str]:
    """Return what is wrong with a mapping, a sentence for each mistake."""
    if not isinstance(value, dict):
        return ["Write an object, as in {}."]
    faults = [
        f"There is no {str(name)[:50]}; there are {', '.join(_KEYS)}."
        for name in value
        if name not in _KEYS
    ]
    if "robot_tag" in value and not _is_tag(value["robot_tag"]):
        faults.append(f"robot_tag: Write a tag of 1 to {_LONGEST_TAG} characters.")
    named = [value["robot_tag"]] if _is_tag(value.get("robot_tag")) else []
    for name in ("metadata_tags", "dropped_tags"):
        tags = value.get(name, [])
        if not isinstance(tags, list) or len(tags) > _MOST_TAGS or not all(map(_is_tag, tags)):
            faults.append(
                f"{name}: Write a list of at most {_MOST_TAGS} tags of 1 to {_LONGEST_TAG}"
                " characters."
            )
        else:
            named += tags
    if twice := sorted({tag for tag in named if named.count(tag) > 1}):
        faults.append(f"Name each tag once: {', '.join(twice)}.")
    if "prefix" in value and not _is_prefix(value["prefix"]):
        faults.append(
            "prefix: Write lower-case letters, digits and _ in parts joined by dots, at most "
            f"{_LONGEST_PREFIX} characters."
        )
    return faults


def _is_tag(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= _LONGEST_TAG and "\x00" not in value


def _is_prefix(value: Any) -> bool:
    is_short = isinstance(value, str) and len(value) <= _LONGEST_PREFIX
    return is_short and _PREFIX.fullmatch(value) is not None


def validate_line_mapping(value: Any) -> None:
    """Refuse a mapping that says nothing sensible."""
    if faults := mapping_faults(value):
        raise ValidationError(faults)


def mapping_read(stored: Any) -> LineMapping:
    """Return a stored mapping; one that would be refused today counts as none."""
    if mapping_faults(stored):
        return LineMapping()
    return LineMapping(
        robot_tag=stored.get("robot_tag", "robot"),
        metadata_tags=frozenset(stored.get("metadata_tags", ())),
        dropped_tags=frozenset(stored.get("dropped_tags", ())),
        prefix=f"{stored['prefix']}." if "prefix" in stored else "",
    )
