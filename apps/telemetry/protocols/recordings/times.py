"""Parse the times of a recording."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from apps.telemetry.choices import RecordingTimeFormat

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?=\D|$)[ ,T]*")
_MAX_FRACTION = re.compile(r"([.,]\d{6})\d+")
# Numbers below are durations: 1e8 seconds after 1970 is a day in 1973.
_MIN_EPOCH_SECONDS = Decimal(10**8)
_MIN_EPOCH_MILLISECONDS = Decimal(10**11)
_MICROSECONDS = {
    RecordingTimeFormat.SECONDS: 1_000_000,
    RecordingTimeFormat.MILLISECONDS: 1_000,
    RecordingTimeFormat.ELAPSED: 1_000_000,
}


def detect_time_format(text: str, decimal: str = ".") -> RecordingTimeFormat | None:
    """Return the format of a time, or None for other text.

    A number is milliseconds or seconds since 1970 by its size, else seconds since the start.
    """
    number = _parse_number(text, decimal)
    if number is not None:
        if number >= _MIN_EPOCH_MILLISECONDS:
            return RecordingTimeFormat.MILLISECONDS
        if number >= _MIN_EPOCH_SECONDS:
            return RecordingTimeFormat.SECONDS
        return RecordingTimeFormat.ELAPSED if number >= 0 else None
    try:
        _parse_datetime(text)
    except ValueError:
        return None
    return RecordingTimeFormat.DATETIME


class TimeParser:
    """Parses the time column of one recording, row after row."""

    def __init__(
        self,
        time_format: RecordingTimeFormat,
        *,
        timezone: ZoneInfo,
        decimal: str = ".",
        starts_at: datetime | None = None,
    ) -> None:
        """Set the format.

        Args:
            time_format: Format of the column.
            timezone: Timezone of dates and times without an offset.
            decimal: Decimal separator of numbers.
            starts_at: Aware time to which the first row is moved, and the others with it. None
                keeps the times, which `ELAPSED` does not allow.
        """
        self._format = time_format
        self._timezone = timezone
        self._decimal = decimal
        self._starts_at = starts_at
        self._shift: timedelta | None = None if starts_at else timedelta(0)
        self._previous: datetime | None = None

    def parse(self, text: str) -> datetime:
        """Return the time in UTC, truncated to microseconds.

        A local time that occurs twice, when clocks are set back, is the first occurrence unless
        that would be before the previous row.

        Raises:
            ValueError: The text is not a time of this format; the message says why.
        """
        if self._format == RecordingTimeFormat.DATETIME:
            time = self._parse_datetime(text)
        else:
            time = self._parse_offset(text)
        self._previous = time
        if self._shift is None and self._starts_at is not None:
            self._shift = self._starts_at - time
        try:
            return time + (self._shift or timedelta(0))
        except OverflowError as error:
            raise _out_of_range(text) from error

    def _parse_offset(self, text: str) -> datetime:
        number = _parse_number(text, self._decimal)
        if number is None:
            msg = f"{text[:40]!r} is not a number."
            raise ValueError(msg)
        try:
            return _EPOCH + timedelta(microseconds=int(number * _MICROSECONDS[self._format]))
        except OverflowError as error:
            raise _out_of_range(text) from error

    def _parse_datetime(self, text: str) -> datetime:
        time = _parse_datetime(text)
        try:
            if time.tzinfo is not None:
                return time.astimezone(UTC)
            return self._from_local(time)
        except OverflowError as error:
            raise _out_of_range(text) from error

    def _from_local(self, time: datetime) -> datetime:
        first = time.replace(tzinfo=self._timezone, fold=0).astimezone(UTC)
        second = time.replace(tzinfo=self._timezone, fold=1).astimezone(UTC)
        if first > second:  # the clock is set forward over this time
            msg = f"{time:%Y-%m-%d %H:%M:%S} does not exist in {self._timezone.key}."
            raise ValueError(msg)
        if self._previous is not None and first < self._previous <= second:
            return second
        return first


def first_time(
    texts: Iterable[str], time_format: RecordingTimeFormat, *, timezone: ZoneInfo, decimal: str
) -> datetime | None:
    """Return the first valid time of a column, or None.

    Times that count from the start of the recording have no date: None.

    Args:
        texts: Cells of the time column.
        time_format: Format of the column.
        timezone: Timezone of dates and times without an offset.
        decimal: Decimal separator of numbers.
    """
    if time_format == RecordingTimeFormat.ELAPSED:
        return None
    times = TimeParser(time_format, timezone=timezone, decimal=decimal)
    for text in texts:
        with suppress(ValueError):
            return times.parse(text)
    return None


def _out_of_range(text: str) -> ValueError:
    return ValueError(f"{text[:40]!r} is out of range.")


def _parse_number(text: str, decimal: str) -> Decimal | None:
    try:
        number = Decimal(text.strip().replace(decimal, "."))
    except InvalidOperation:
        return None
    return number if number.is_finite() and "_" not in text else None


def _parse_datetime(text: str) -> datetime:
    """Parse ISO 8601, or day.month.year with a time.

    Raises:
        ValueError: The text is neither.
    """
    plain = text.strip().strip('"').strip()
    if found := _DAY_FIRST.match(plain):
        day, month, year = (int(part) for part in found.groups())
        plain = f"{year:04}-{month:02}-{day:02}T{plain[found.end() :] or '00:00'}"
    try:
        return datetime.fromisoformat(_MAX_FRACTION.sub(r"\1", plain))
    except ValueError:
        msg = f"{text[:40]!r} is not a date and time such as 2026-01-31T08:00:00Z."
        raise ValueError(msg) from None
