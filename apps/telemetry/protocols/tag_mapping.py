"""Find robots and metric names by the API key's mapping.

Tags of line protocol, labels of Prometheus and attributes of OpenTelemetry are mapped alike.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.telemetry.protocols.points import MAX_METRIC_NAME_LENGTH

DEFAULT_MAPPING = LineProtocolMapping()
Tags = Sequence[tuple[str, str]]

_IDENTITY_TAGS = frozenset({"robot_id", "serial_number"})
# Longer names are truncated to this, which still fails validation.
_MAX_NAME_PART = MAX_METRIC_NAME_LENGTH + 1
_UUID_PATTERN = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UNSAFE_CHARACTER = re.compile(r"[^a-z0-9_]")
_SAFE_PART = re.compile(r"[a-z0-9_]+")
# 50 bits: among a million names of one organization, two are the same once in 2,000 cases.
_DIGEST_LENGTH = 10
_DIGEST = re.compile(rf"__h[a-z2-7]{{{_DIGEST_LENGTH}}}\Z")
# How many changed names a response lists.
MAX_RENAMED_LISTED = 5


class AmbiguousRobotError(Exception):
    """The tags name an invalid robot, or two robots."""


@dataclass(frozen=True)
class RobotReference:
    """The robot that tags name, by id, serial number or both."""

    robot_id: UUID | None = None
    serial_number: str | None = None


def robot_reference(found: Mapping[str, str], robot_tag: str) -> RobotReference:
    """Return the robot that tags name.

    Args:
        found: Tags by key.
        robot_tag: Tag that names the robot by id or serial number, besides the others.

    Raises:
        AmbiguousRobotError: The tags name an invalid robot, or two robots.
    """
    robot_id, serial_number = _parse_uuid(found.get("robot_id")), found.get("serial_number")
    if "robot_id" in found and robot_id is None:
        msg = "The tag robot_id is not a UUID."
        raise AmbiguousRobotError(msg)
    if (robot := found.get(robot_tag)) is None:
        return RobotReference(robot_id, serial_number)
    if named := _parse_uuid(robot):
        same, robot_id = robot_id in {None, named}, named
    else:
        same, serial_number = serial_number in {None, robot}, robot
    if not same:
        msg = "The tags name two robots."
        raise AmbiguousRobotError(msg)
    return RobotReference(robot_id, serial_number)


def _parse_uuid(text: str | None) -> UUID | None:
    """Parse a UUID with dashes; without them it is a serial number."""
    return UUID(text) if text and _UUID_PATTERN.fullmatch(text) else None


class TagNames:
    """Metric names of series with the same tags.

    A tag adds its key and its value, so that neither two values nor two tags with the same value
    yield the same name.

    Attributes:
        metadata: Tags that are stored with each point; None without any.
    """

    def __init__(self, tags: Tags, mapping: LineProtocolMapping, renamed: dict[str, str]) -> None:
        """Choose the tags that become part of names.

        Args:
            tags: Keys and values, in the order of the keys.
            mapping: The API key's mapping.
            renamed: Receives the first metric names that differ from the names as they were sent.
        """
        taken = _IDENTITY_TAGS | {mapping.robot_tag} | mapping.metadata_tags | mapping.dropped_tags
        self.metadata = {tag: value for tag, value in tags if tag in mapping.metadata_tags} or None
        self._prefix = mapping.prefix
        self._tags = [pair for pair in tags if pair[0] not in taken]
        self._renamed = renamed

    def metric_name(self, dotted: str, *, sent: tuple[str, str]) -> str:
        """Return the metric name for a name of dotted parts.

        Args:
            dotted: Name as it was sent.
            sent: Text for users before and after the tags.
        """
        parts = dotted.split(".") + [part for pair in self._tags for part in pair]
        name = metric_name_of(parts)
        if name != ".".join(parts) and len(self._renamed) < MAX_RENAMED_LISTED:
            tags = "".join(f",{tag}={value}" for tag, value in self._tags)
            shown = tags.join(sent)
            self._renamed[shown[:_MAX_NAME_PART]] = (self._prefix + name)[:_MAX_NAME_PART]
        return (self._prefix + name)[:_MAX_NAME_PART]


def metric_name_of(parts: Sequence[str]) -> str:
    """Return the metric name of parts, different for different parts.

    Parts of lower-case letters, digits and underscores are joined by dots. Otherwise each other
    character becomes an underscore, and a digest of the parts follows: `joint.j1_temp__h` and ten
    characters. A name that ends like this gets a digest, too, so that it differs from all others.
    """
    name = ".".join([_UNSAFE_CHARACTER.sub("_", part.lower()) or "_" for part in parts])
    if all(map(_SAFE_PART.fullmatch, parts)) and not _DIGEST.search(name):
        return name
    digest = blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=10).digest()
    return f"{name}__h{base64.b32encode(digest).decode().lower()[:_DIGEST_LENGTH]}"
