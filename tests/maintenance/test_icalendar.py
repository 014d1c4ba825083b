"""The iCalendar writer, read back by a plain reader of RFC 5545."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import example, given
from hypothesis import strategies as st

from apps.maintenance.protocols.icalendar import CalendarEvent, calendar_text, escape_text, fold

texts = st.text(max_size=200)


def unfold(raw: bytes) -> list[str]:
    assert raw.endswith(b"\r\n")
    lines = raw.split(b"\r\n")[:-1]
    for line in lines:
        assert len(line) <= 75
        assert b"\r" not in line
        assert b"\n" not in line
        line.decode()  # no character is cut
    return raw.replace(b"\r\n ", b"").decode().split("\r\n")[:-1]


def unescape(text: str) -> str:
    found = re.sub(r"\\(.)", lambda match: "\n" if match[1] in "nN" else match[1], text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[;,]", text)
    return found


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=300))
@example("x" * 75)
@example("x" * 76)
@example("ä" * 37 + "x")
@example("x" * 73 + "🤖")
def test_fold_keeps_the_text_in_short_lines(line):
    assert unfold(fold(line)) == [line]


@given(texts)
@example("a\\n;b,c\\,\r\nd\re\nf\x00g\x85h\x1b")
def test_escaped_text_reads_back_without_control_characters(text):
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    expected = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", expected)
    escaped = escape_text(text)
    assert "\n" not in escaped
    assert unescape(escaped) == expected


times = st.datetimes(
    datetime(2000, 1, 1), datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)  # fmt: skip
events = st.builds(
    CalendarEvent,
    uid=st.uuids().map(str),
    changed_at=times,
    starts_at=times,
    duration=st.timedeltas(timedelta(minutes=1), timedelta(days=30)),
    summary=texts,
    description=texts,
    location=texts,
    category=st.just("Cleaning"),
    url=st.just("https://fleet.example/admin/"),
    is_done=st.booleans(),
)


@given(st.lists(events, max_size=3))
def test_calendar_reads_back(items):
    lines = unfold(calendar_text("Mine", items))
    assert (lines[0], lines[1], lines[-1]) == ("BEGIN:VCALENDAR", "VERSION:2.0", "END:VCALENDAR")
    found = "\n".join(lines).split("BEGIN:VEVENT")[1:]
    assert len(found) == len(items)
    for text, event in zip(found, items, strict=True):
        values = dict(line.split(":", 1) for line in text.split("\n") if ":" in line)
        assert values["UID"] == event.uid
        for name, instant in (
            ("DTSTART", event.starts_at),
            ("DTEND", event.starts_at + event.duration),
            ("DTSTAMP", event.changed_at),
        ):
            read = datetime.strptime(values[name], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            assert read == instant.replace(microsecond=0)
        assert unescape(values["SUMMARY"]) == unescape(escape_text(event.summary))
        assert ("DESCRIPTION" in values) == bool(escape_text(event.description))
        assert values["TRANSP"] == ("TRANSPARENT" if event.is_done else "OPAQUE")
