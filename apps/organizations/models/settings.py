"""Settings of an organization: keys, validation and types.

Other keys are rejected, and each key accepts a narrow format only, so that no password or token
is stored here by mistake: every user of the organization can read the settings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Any

from django.conf import settings as django_settings

from apps.organizations.choices import MaintenanceType
from urfmp.common.time.zones import (
    UNKNOWN_TIMEZONE,
    timezone_names,
    validate_timezone,  # noqa: F401 - migrations name it here
)

# The longest retention; an organization may choose a shorter one.
MAX_TELEMETRY_RETENTION_DAYS = 365
MAX_STATUS_HISTORY_RETENTION_DAYS = 730

# The shorter time is that between two writes of a robot's last contact.
MIN_OFFLINE_AFTER_SECONDS = 5
MAX_OFFLINE_AFTER_SECONDS = 86_400

_TIME_OF_DAY = "([01][0-9]|2[0-3]):[0-5][0-9]"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# Format of numbers and dates; the interface is in English.
LOCALES = {
    "cs-CZ": "Czech",
    "da-DK": "Danish",
    "de-AT": "German (Austria)",
    "de-CH": "German (Switzerland)",
    "de-DE": "German (Germany)",
    "en-GB": "English (United Kingdom)",
    "en-US": "English (United States)",
    "es-ES": "Spanish",
    "fi-FI": "Finnish",
    "fr-FR": "French",
    "hu-HU": "Hungarian",
    "it-IT": "Italian",
    "ja-JP": "Japanese",
    "ko-KR": "Korean",
    "nb-NO": "Norwegian",
    "nl-NL": "Dutch",
    "pl-PL": "Polish",
    "pt-BR": "Portuguese (Brazil)",
    "pt-PT": "Portuguese (Portugal)",
    "sv-SE": "Swedish",
    "zh-CN": "Chinese (simplified)",
}

# Settings whose decrease deletes data, and the name of the data.
RETENTION_SETTINGS = {
    "telemetry_retention_days": "Telemetry",
    "status_history_retention_days": "Status history",
}

# Largest cost above which finished maintenance work may need approval.
MAX_APPROVAL_COST = 99_999_999

ErrorMessages = str | dict[str, str]


def _timezone_error(value: Any) -> ErrorMessages | None:
    if isinstance(value, str) and value in timezone_names():
        return None
    return UNKNOWN_TIMEZONE


def _locale_error(value: Any) -> ErrorMessages | None:
    if isinstance(value, str) and value in LOCALES:
        return None
    return f"Choose one of {', '.join(LOCALES)}."


def _flag_error(value: Any) -> ErrorMessages | None:
    return None if isinstance(value, bool) else "Must be true or false."


def _days_validator(max_days: int) -> Callable[[Any], ErrorMessages | None]:
    def validate(value: Any) -> ErrorMessages | None:
        if type(value) is int and 1 <= value <= max_days:
            return None
        return f"Enter a whole number of days from 1 to {max_days}."

    return validate


def _offline_after_error(value: Any) -> ErrorMessages | None:
    if type(value) is int and MIN_OFFLINE_AFTER_SECONDS <= value <= MAX_OFFLINE_AFTER_SECONDS:
        return None
    return (
        f"Enter a whole number of seconds from {MIN_OFFLINE_AFTER_SECONDS} to"
        f" {MAX_OFFLINE_AFTER_SECONDS}."
    )


def _approval_cost_error(value: Any) -> ErrorMessages | None:
    if type(value) is int and 0 <= value <= MAX_APPROVAL_COST:
        return None
    return f"Enter a whole number from 0 to {MAX_APPROVAL_COST}."


def _approval_types_error(value: Any) -> ErrorMessages | None:
    if (
        isinstance(value, list)
        and all(isinstance(item, str) and item in MaintenanceType.values for item in value)
        and len(set(value)) == len(value)
    ):
        return None
    return f"Enter a list with some of {', '.join(MaintenanceType.values)}, each at most once."


def parse_time_of_day(text: Any) -> time | None:
    """Parse a time of day such as 08:30; return None if invalid."""
    if not isinstance(text, str) or not re.fullmatch(_TIME_OF_DAY, text):
        return None
    return time.fromisoformat(text)


def _working_hours_error(value: Any) -> ErrorMessages | None:
    if not isinstance(value, dict):
        return 'Enter an object such as {"monday": {"from": "06:00", "to": "22:00"}}.'
    errors = {}
    for day, hours in value.items():
        if day not in WEEKDAYS:
            errors[str(day)] = f"Unknown day; use one of {', '.join(WEEKDAYS)}."
        elif error := _day_error(hours):
            errors[day] = error
    return errors or None


def _day_error(hours: Any) -> str | None:
    if not isinstance(hours, dict) or set(hours) != {"from", "to"}:
        return 'Enter {"from": "06:00", "to": "22:00"}; omit days without work.'
    if None in map(parse_time_of_day, hours.values()):
        return "Enter both times in the format HH:MM."
    return None


@dataclass(frozen=True)
class Setting:
    """Validation and schema of one key.

    Attributes:
        validate: Returns the error of a value, or None.
        schema: JSON Schema of the value, for the OpenAPI document.
    """

    validate: Callable[[Any], ErrorMessages | None]
    schema: Mapping[str, Any]


_TIME = {"type": "string", "pattern": f"^{_TIME_OF_DAY}$"}
_DAY = {
    "type": "object",
    "properties": {"from": _TIME, "to": _TIME},
    "required": ["from", "to"],
    "additionalProperties": False,
}


def _days_schema(max_days: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": max_days}


SETTINGS: dict[str, Setting] = {
    "timezone": Setting(
        _timezone_error,
        {"type": "string", "description": "IANA name such as `Europe/Berlin`; the default is UTC."},
    ),
    "locale": Setting(_locale_error, {"type": "string", "enum": [*LOCALES]}),
    "working_hours": Setting(
        _working_hours_error,
        {
            "type": "object",
            "description": "Start and end of work on each day, in the organization's timezone."
            " An end that is not after the start is on the next day.",
            "properties": dict.fromkeys(WEEKDAYS, _DAY),
            "additionalProperties": False,
        },
    ),
    "second_factor_required": Setting(_flag_error, {"type": "boolean"}),
    "second_approval_required": Setting(
        _flag_error,
        {
            "type": "boolean",
            "description": "Whether a second user approves firmware updates, and resets after a"
            " stop request.",
        },
    ),
    "telemetry_retention_days": Setting(
        _days_validator(MAX_TELEMETRY_RETENTION_DAYS), _days_schema(MAX_TELEMETRY_RETENTION_DAYS)
    ),
    "status_history_retention_days": Setting(
        _days_validator(MAX_STATUS_HISTORY_RETENTION_DAYS),
        _days_schema(MAX_STATUS_HISTORY_RETENTION_DAYS),
    ),
    "offline_after_seconds": Setting(
        _offline_after_error,
        {
            "type": "integer",
            "minimum": MIN_OFFLINE_AFTER_SECONDS,
            "maximum": MAX_OFFLINE_AFTER_SECONDS,
            "description": "Seconds without contact after which a robot is offline; a robot may"
            " have a value of its own.",
        },
    ),
    "maintenance_approval_above_cost": Setting(
        _approval_cost_error,
        {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_APPROVAL_COST,
            "description": "A second user approves finished maintenance work that costs more.",
        },
    ),
    "maintenance_approval_types": Setting(
        _approval_types_error,
        {
            "type": "array",
            "items": {"type": "string", "enum": MaintenanceType.values},
            "uniqueItems": True,
            "description": "A second user approves finished maintenance work of these types.",
        },
    ),
}

JSON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {name: dict(setting.schema) for name, setting in SETTINGS.items()},
    "additionalProperties": False,
}
# In a request null resets a setting; responses have no null.
CHANGES_JSON_SCHEMA: dict[str, Any] = {
    **JSON_SCHEMA,
    "properties": {
        name: {"anyOf": [schema, {"type": "null"}]}
        for name, schema in JSON_SCHEMA["properties"].items()
    },
}


def settings_errors(values: Any) -> ErrorMessages | dict[str, ErrorMessages]:
    """Return the errors of settings by key; empty if they are valid."""
    if not isinstance(values, dict):
        return "Enter an object such as {}."
    errors: dict[str, ErrorMessages] = {}
    for name, value in values.items():
        if (setting := SETTINGS.get(name)) is None:
            errors[str(name)[:100]] = f"Unknown setting; use one of {', '.join(SETTINGS)}."
        elif error := setting.validate(value):
            errors[name] = error
    return errors


def settings_change_errors(changes: Any) -> ErrorMessages | dict[str, ErrorMessages]:
    """Return the errors of changed settings by key.

    Null resets a known key.
    """
    if not isinstance(changes, dict):
        return settings_errors(changes)
    return settings_errors(
        {
            name: value
            for name, value in changes.items()
            if value is not None or name not in SETTINGS
        }
    )


def merged_settings(stored: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored settings with changes by key.

    None resets a key to its default.

    Invalid values that were stored before a rule existed do not block the change, and are dropped.
    """
    kept = {
        name: value
        for name, value in (stored if isinstance(stored, dict) else {}).items()
        if name in SETTINGS and not SETTINGS[name].validate(value)
    }
    return {name: value for name, value in {**kept, **changes}.items() if value is not None}


def error_lines(errors: ErrorMessages | dict[str, ErrorMessages]) -> list[str]:
    """Flatten nested errors into lines that start with their keys."""
    if isinstance(errors, str):
        return [errors]
    return [f"{name}: {line}" for name, part in errors.items() for line in error_lines(part)]


@dataclass(frozen=True)
class WorkingHours:
    """Start and end of work on one day.

    An end that is not after the start is on the next day.
    """

    start: time
    end: time


def _default_offline_after_seconds() -> int:
    return int(django_settings.ROBOT_OFFLINE_AFTER.total_seconds())


@dataclass(frozen=True)
class OrganizationSettings:
    """An organization's settings with every default filled in.

    Attributes:
        timezone: IANA name.
        locale: Format of numbers and dates, as in `en-GB`.
        working_hours: Hours by weekday, in the organization's timezone; days without work are
            missing.
        second_factor_required: Whether every user needs a second factor to sign in.
        second_approval_required: Whether a second user approves firmware updates, and resets
            after a stop request.
        telemetry_retention_days: Retention of telemetry in days, 1 to 365.
        status_history_retention_days: Retention of status history in days, 1 to 730.
        offline_after_seconds: Seconds without contact after which a robot is offline, 5 to 86,400.
        maintenance_approval_above_cost: Cost above which a second user approves finished
            maintenance work; None for no limit.
        maintenance_approval_types: Types of maintenance whose finished work a second user approves.
    """

    timezone: str = "UTC"
    locale: str = "en-GB"
    working_hours: Mapping[str, WorkingHours] = field(default_factory=dict)
    second_factor_required: bool = False
    second_approval_required: bool = False
    telemetry_retention_days: int = MAX_TELEMETRY_RETENTION_DAYS
    status_history_retention_days: int = MAX_STATUS_HISTORY_RETENTION_DAYS
    offline_after_seconds: int = field(default_factory=_default_offline_after_seconds)
    maintenance_approval_above_cost: int | None = None
    maintenance_approval_types: tuple[str, ...] = ()

    def shortened_retention(self, after: OrganizationSettings) -> dict[str, int]:
        """Return the periods that a change shortens: days by key."""
        days = {name: getattr(after, name) for name in RETENTION_SETTINGS}
        return {name: value for name, value in days.items() if value < getattr(self, name)}

    def is_weakened_by(self, after: OrganizationSettings) -> bool:
        """Return whether a change weakens logins or approvals, or deletes data."""
        is_optional_now = any(
            getattr(self, name) and not getattr(after, name)
            for name in ("second_factor_required", "second_approval_required")
        )
        return (
            is_optional_now
            or self._needs_less_approval(after)
            or bool(self.shortened_retention(after))
        )

    def _needs_less_approval(self, after: OrganizationSettings) -> bool:
        """Return whether a change lets maintenance be completed without approval."""
        cost, cost_after = (
            math.inf if item.maintenance_approval_above_cost is None
            else item.maintenance_approval_above_cost
            for item in (self, after)
        )  # fmt: skip
        types = set(self.maintenance_approval_types) - set(after.maintenance_approval_types)
        return cost_after > cost or bool(types)


def parse_settings(stored: Any) -> OrganizationSettings:
    """Parse stored settings and fill in defaults.

    An invalid value, written before a rule existed or in psql, counts as not set, so that no page
    fails because of it.
    """
    valid = {
        name: value
        for name, value in (stored if isinstance(stored, dict) else {}).items()
        if name in SETTINGS and not SETTINGS[name].validate(value)
    }
    if "working_hours" in valid:
        valid["working_hours"] = {
            day: WorkingHours(*map(time.fromisoformat, (hours["from"], hours["to"])))
            for day, hours in valid["working_hours"].items()
        }
    if "maintenance_approval_types" in valid:
        valid["maintenance_approval_types"] = tuple(valid["maintenance_approval_types"])
    return OrganizationSettings(**valid)
