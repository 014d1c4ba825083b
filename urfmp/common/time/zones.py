"""Names of the IANA timezone database."""

from __future__ import annotations

import zoneinfo
from functools import cache
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError

UNKNOWN_TIMEZONE = "Unknown timezone; use an IANA name such as Europe/Berlin."


@cache
def timezone_names() -> frozenset[str]:
    """Return the names of the IANA timezone database, cached."""
    return frozenset(zoneinfo.available_timezones())


def timezone_choices() -> list[tuple[str, str]]:
    """Return timezone choices, without the old aliases in lower case."""
    return [(name, name) for name in sorted(timezone_names()) if name[:1].isupper()]


def validate_timezone(value: str) -> None:
    """Reject a name that is not in the IANA timezone database."""
    if value not in timezone_names():
        raise ValidationError(UNKNOWN_TIMEZONE, code="timezone")


def zone_or_utc(name: str) -> ZoneInfo:
    """Return a timezone by name; UTC if the name is unknown."""
    return ZoneInfo(name if name in timezone_names() else "UTC")
