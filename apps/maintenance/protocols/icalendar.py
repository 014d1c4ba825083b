"""Write iCalendar text (RFC 5545)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

CONTENT_TYPE = "text/calendar; charset=utf-8"
_PRODUCT = "-//URFMP//Maintenance//EN"
_REFRESH = "PT15M"
# Section 3.1: a line has at most 75 octets without its line break.
_MAX_LINE_OCTETS = 75
_LINE_BREAK = b"\r\n"


@dataclass(frozen=True)
class CalendarEvent:
    """An event of a calendar.

    Attributes:
        uid: Globally unique id, the same in each version of the event.
        changed_at: When the event was last changed.
        starts_at: Start.
        duration: Length; above zero.
        summary: Title.
        description: Text; may have several lines.
        location: Place; empty for none.
        category: Category; empty for none.
        url: Address of its page.
        is_done: Whether the work is done; it then does not make its user busy.
    """

    uid: str
    changed_at: datetime
    starts_at: datetime
    duration: timedelta
    summary: str
    description: str = ""
    location: str = ""
    category: str = ""
    url: str = ""
    is_done: bool = False


def calendar_text(name: str, events: Iterable[CalendarEvent]) -> bytes:
    """Return a calendar as text.

    Args:
        name: Name of the calendar.
        events: Its events.
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{_PRODUCT}",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"X-WR-CALNAME:{escape_text(name)}",
        f"REFRESH-INTERVAL;VALUE=DURATION:{_REFRESH}",
        f"X-PUBLISHED-TTL:{_REFRESH}",
    ]
    for event in events:
        lines.extend(_event_lines(event))
    lines.append("END:VCALENDAR")
    return b"".join(fold(line) for line in lines)


def _event_lines(event: CalendarEvent) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{event.uid}"
    yield f"DTSTAMP:{_utc(event.changed_at)}"
    yield f"LAST-MODIFIED:{_utc(event.changed_at)}"
    yield f"DTSTART:{_utc(event.starts_at)}"
    yield f"DTEND:{_utc(event.starts_at + event.duration)}"
    yield f"SUMMARY:{escape_text(event.summary)}"
    optional = (
        ("DESCRIPTION", escape_text(event.description)),
        ("LOCATION", escape_text(event.location)),
        ("CATEGORIES", escape_text(event.category)),
        ("URL", event.url),  # a URI is not escaped
    )
    for name, value in optional:
        if value:
            yield f"{name}:{value}"
    yield "STATUS:CONFIRMED"
    yield f"TRANSP:{'TRANSPARENT' if event.is_done else 'OPAQUE'}"
    yield "END:VEVENT"


def _utc(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def escape_text(text: str) -> str:
    r"""Return a value of type TEXT (section 3.3.11).

    Line breaks become `\n`; other control characters are not allowed and are left out.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    escaped = lines.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    plain = "".join(c for c in escaped if c in "\t\n" or not _is_control(c))
    return plain.replace("\n", "\\n")


def _is_control(character: str) -> bool:
    return ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0


def fold(line: str) -> bytes:
    """Return a line with its line break, folded between characters (section 3.1)."""
    parts: list[bytes] = []
    part = b""
    for character in line:
        octets = character.encode("utf-8", "replace")
        # Each part but the first begins with a blank.
        if len(part) + len(octets) > _MAX_LINE_OCTETS - bool(parts):
            parts.append(part)
            part = b""
        part += octets
    return (_LINE_BREAK + b" ").join([*parts, part]) + _LINE_BREAK
