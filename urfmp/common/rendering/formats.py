"""The format of dates, durations and numbers in pages and e-mails.

`format.js` has the same formats for scripts. Times are in the active timezone. Numbers have the
separators of the organization's locale; months are English, as the interface is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from urfmp.common.time.local import offset_text

NOTHING = "\u2013"
DEFAULT_LOCALE = "en-GB"
# Decimal and group separator of each locale, as in Unicode's CLDR.
_SEPARATORS = {
    ".,": ("en-GB", "en-US", "ja-JP", "ko-KR", "zh-CN"),
    ",.": ("da-DK", "de-DE", "es-ES", "it-IT", "nl-NL", "pt-BR"),
    ",\u00a0": ("cs-CZ", "de-AT", "fi-FI", "hu-HU", "nb-NO", "pl-PL", "pt-PT", "sv-SE"),
    ",\u202f": ("fr-FR",),
    ".\u2019": ("de-CH",),
}
SEPARATORS = {locale: pair for pair, locales in _SEPARATORS.items() for locale in locales}
_BYTE_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_MAX_PLAIN = 1e9
_MIN_PLAIN = 1e-3

_locale: ContextVar[str] = ContextVar("number_locale", default=DEFAULT_LOCALE)


@contextmanager
def number_locale(name: str) -> Iterator[None]:
    """Format numbers with a locale's separators."""
    token = _locale.set(name)
    try:
        yield
    finally:
        _locale.reset(token)


def to_utc(value: datetime) -> datetime:
    """Return a datetime in UTC, or unchanged where conversion would overflow."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return value


def _localized(value: datetime) -> datetime:
    try:
        return timezone.localtime(value)
    except OverflowError:
        return to_utc(value)


def format_iso(value: datetime) -> str:
    """Return a datetime for a machine: RFC 3339, in UTC."""
    return to_utc(value).isoformat()


def format_date(value: date | datetime) -> str:
    """Return a date as in `25 Oct 2026`; a datetime's local date."""
    day = _localized(value) if isinstance(value, datetime) else value
    return f"{day.day} {day:%b} {day.year}"


def format_month(value: date) -> str:
    """Return a month as in `October 2026`."""
    return f"{value:%B} {value.year}"


def format_datetime(value: datetime) -> str:
    """Return a datetime as in `25 Oct 2026, 02:30`.

    A time that the clock repeats has its offset.
    """
    local = _localized(value)
    other = local.replace(fold=1 - local.fold)
    suffix = f" (UTC{offset_text(local)})" if local.utcoffset() != other.utcoffset() else ""
    return f"{format_date(local)}, {local:%H:%M}{suffix}"


def format_clock(value: datetime) -> str:
    """Return the time of day with seconds, as in `02:30:00`."""
    return f"{_localized(value):%H:%M:%S}"


def format_time_of_day(value: datetime) -> str:
    """Return the time of day in minutes, as in `02:30`."""
    return f"{_localized(value):%H:%M}"


def format_exact_datetime(value: datetime) -> str:
    """Return a datetime with seconds, timezone and offset."""
    local = _localized(value)
    zone = timezone.get_current_timezone_name() if local.tzinfo is not UTC else "UTC"
    offset = "" if zone == "UTC" else f" (UTC{offset_text(local)})"
    return f"{format_date(local)}, {local:%H:%M:%S} {zone}{offset}"


def relative_time(value: datetime) -> str:
    """Return a datetime relative to now, in the largest unit that fits."""
    seconds = (timezone.now() - value).total_seconds()
    amount = abs(seconds)
    for size, unit in _UNITS:
        if amount >= size:
            text = f"{format_number(int(amount // size))} {unit}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "now"


def format_duration(value: timedelta) -> str:
    """Return a duration in its two largest units."""
    rest = round(value.total_seconds())
    parts: list[str] = []
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count or (parts and size > 1):
            parts.append(f"{format_number(count)} {unit}")
    shown = [part for part in parts[:2] if not part.startswith("0 ")]
    return " ".join(shown) or "0 s"


def format_number(value: float, decimals: int = 0) -> str:
    """Return a number with grouped digits."""
    separators = SEPARATORS.get(_locale.get(), ".,")
    text = f"{value:,.{decimals}f}"
    return text.translate({ord("."): separators[0], ord(","): separators[1]})


def format_money(value: Decimal | None) -> str:
    """Return an amount of money with two decimals; None for a dash."""
    return NOTHING if value is None else format_number(float(value), 2)


def format_value(value: float | None, decimals: int | None = None) -> str:
    """Return a measured value.

    From 100 on it has no decimals, below that one, and below 1 three significant digits. So values
    of one magnitude have the same decimals.

    Args:
        value: The value; None for a dash.
        decimals: Decimals of a value that is not measured, such as a count.
    """
    if value is None:
        return NOTHING
    amount = abs(value)
    if amount >= _MAX_PLAIN or 0 < amount < _MIN_PLAIN:
        decimal = SEPARATORS.get(_locale.get(), ".,")[0]
        text = re.sub(r"e([+-])0*", r"e\1", f"{value:.2e}")
        return text.replace(".", decimal)
    if decimals is None:
        decimals = _decimals(amount)
    return format_number(value, decimals)


def _decimals(amount: float) -> int:
    if amount >= 100 or amount != amount:  # noqa: PLR0124 - not a number
        return 0
    if amount >= 1 or amount == 0:
        return 1
    return 3 if amount >= 0.1 else 4 if amount >= 0.01 else 5


def format_share(value: float | None) -> str:
    """Return a share from 0 to 1 in percent.

    Values close to 0 or 1 are not rounded to exactly 0 % or 100 %.
    """
    if value is None:
        return NOTHING
    if 0.9995 <= value < 1:
        return f"> {format_number(99.9, 1)} %"
    if 0 < value < 0.0005:
        return f"< {format_number(0.1, 1)} %"
    return f"{format_number(100 * value, 1)} %"


def format_bytes(size: float) -> str:
    """Return a size in the largest unit that fits, of 1,024 each."""
    unit = _BYTE_UNITS[0]
    for unit in _BYTE_UNITS:
        if abs(size) < 1024 or unit == _BYTE_UNITS[-1]:
            break
        size /= 1024
    return f"{format_number(size, 0 if unit == 'bytes' else 1)} {unit}"
