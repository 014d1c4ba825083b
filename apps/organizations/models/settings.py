"""What an organization may set about itself: one table of keys, and what they are read as.

Nothing but these keys is taken, and each of them in a narrow form, so that no password or token
can be kept here by mistake: settings are seen by everybody in the organization.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError

# What the platform keeps at the most; an organization may keep less.
TELEMETRY_RETENTION_DAYS = 365
STATUS_HISTORY_RETENTION_DAYS = 730

_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# How numbers and dates are written for its people; the words are English.
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

Fault = str | dict[str, str]


@cache
def timezones() -> frozenset[str]:
    """Return the names of the IANA timezone database; reading them anew takes milliseconds."""
    return frozenset(zoneinfo.available_timezones())


def validate_timezone(value: str) -> None:
    """Refuse a name that is not in the IANA timezone database."""
    if value not in timezones():
        msg = "There is no such timezone; write it as in Europe/Berlin."
        raise ValidationError(msg, code="timezone")


def _timezone_fault(value: Any) -> Fault | None:
    if isinstance(value, str) and value in timezones():
        return None
    return "There is no such timezone; write it as in Europe/Berlin."


def _locale_fault(value: Any) -> Fault | None:
    if isinstance(value, str) and value in LOCALES:
        return None
    return f"Choose one of {', '.join(LOCALES)}."


def _flag_fault(value: Any) -> Fault | None:
    return None if isinstance(value, bool) else "Write true or false."


def _days_fault(most: int) -> Callable[[Any], Fault | None]:
    def fault(value: Any) -> Fault | None:
        if type(value) is int and 1 <= value <= most:
            return None
        return f"Write a whole number of days, from 1 to {most}: the platform keeps no more."

    return fault


def read_clock(text: Any) -> time | None:
    """Return a time of day written as in 08:30; None for anything else."""
    if not isinstance(text, str) or not re.fullmatch(_CLOCK, text):
        return None
    return time.fromisoformat(text)


def _hours_fault(value: Any) -> Fault | None:
    if not isinstance(value, dict):
        return 'Write an object, as in {"monday": {"from": "06:00", "to": "22:00"}}.'
    faults = {}
    for day, hours in value.items():
        if day not in WEEKDAYS:
            faults[str(day)] = f"There is no such day; write one of {', '.join(WEEKDAYS)}."
        elif fault := _day_fault(hours):
            faults[day] = fault
    return faults or None


def _day_fault(hours: Any) -> str | None:
    if not isinstance(hours, dict) or set(hours) != {"from", "to"}:
        return 'Write {"from": "06:00", "to": "22:00"}; leave out a day without work.'
    if None in map(read_clock, hours.values()):
        return "Write both times as in 06:00."
    return None


@dataclass(frozen=True)
class Setting:
    """One key.

    Attributes:
        fault: Returns what is wrong with a value, or None.
        schema: The value's form in JSON Schema, for the description of the API.
    """

    fault: Callable[[Any], Fault | None]
    schema: Mapping[str, Any]


_TIME = {"type": "string", "pattern": f"^{_CLOCK}$"}
_DAY = {
    "type": "object",
    "properties": {"from": _TIME, "to": _TIME},
    "required": ["from", "to"],
    "additionalProperties": False,
}


def _days_schema(most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most}


SETTINGS: dict[str, Setting] = {
    "timezone": Setting(
        _timezone_fault,
        {"type": "string", "description": "IANA name, as in `Europe/Berlin`; UTC without it."},
    ),
    "locale": Setting(_locale_fault, {"type": "string", "enum": [*LOCALES]}),
    "working_hours": Setting(
        _hours_fault,
        {
            "type": "object",
            "description": "From when to when there is work, in the organization's timezone."
            " An end that is not after the start is on the next day.",
            "properties": dict.fromkeys(WEEKDAYS, _DAY),
            "additionalProperties": False,
        },
    ),
    "second_factor_required": Setting(_flag_fault, {"type": "boolean"}),
    "telemetry_retention_days": Setting(
        _days_fault(TELEMETRY_RETENTION_DAYS), _days_schema(TELEMETRY_RETENTION_DAYS)
    ),
    "status_history_retention_days": Setting(
        _days_fault(STATUS_HISTORY_RETENTION_DAYS), _days_schema(STATUS_HISTORY_RETENTION_DAYS)
    ),
}

JSON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {name: dict(setting.schema) for name, setting in SETTINGS.items()},
    "additionalProperties": False,
}


def settings_faults(values: Any) -> Fault | dict[str, Fault]:
    """Return what is wrong with settings, key by key; something empty when nothing is."""
    if not isinstance(values, dict):
        return "Write an object, as in {}."
    faults: dict[str, Fault] = {}
    for name, value in values.items():
        if (setting := SETTINGS.get(name)) is None:
            faults[str(name)[:100]] = f"There is no such setting; there are {', '.join(SETTINGS)}."
        elif fault := setting.fault(value):
            faults[name] = fault
    return faults


def fault_lines(faults: Fault | dict[str, Fault]) -> list[str]:
    """Return faults as lines that name their keys, for where one list has to hold them all."""
    if isinstance(faults, str):
        return [faults]
    return [f"{name}: {line}" for name, part in faults.items() for line in fault_lines(part)]


@dataclass(frozen=True)
class WorkingHours:
    """When work begins on a day, and when it ends; on the next day unless that is later."""

    start: time
    end: time


@dataclass(frozen=True)
class OrganizationSettings:
    """An organization's settings with every default filled in.

    Attributes:
        timezone: IANA name.
        locale: How numbers and dates are written, as in `en-GB`.
        working_hours: By day, in the organization's timezone; a day without work is left out.
        second_factor_required: Whether everybody needs a second factor to sign in.
        telemetry_retention_days: How long telemetry is kept, 1 to 365.
        status_history_retention_days: How long status history is kept, 1 to 730.
    """

    timezone: str = "UTC"
    locale: str = "en-GB"
    working_hours: Mapping[str, WorkingHours] = field(default_factory=dict)
    second_factor_required: bool = False
    telemetry_retention_days: int = TELEMETRY_RETENTION_DAYS
    status_history_retention_days: int = STATUS_HISTORY_RETENTION_DAYS


def settings_read(stored: Any) -> OrganizationSettings:
    """Return stored settings with their types.

    A value that would be refused today, from an older row or by hand in psql, counts as not set:
    no page may fail over it.
    """
    good = {
        name: value
        for name, value in (stored if isinstance(stored, dict) else {}).items()
        if name in SETTINGS and not SETTINGS[name].fault(value)
    }
    if "working_hours" in good:
        good["working_hours"] = {
            day: WorkingHours(*map(time.fromisoformat, (hours["from"], hours["to"])))
            for day, hours in good["working_hours"].items()
        }
    return OrganizationSettings(**good)
