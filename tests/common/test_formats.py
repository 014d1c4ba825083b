"""The one format of dates, times and numbers."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.template import Context, Template
from django.utils import timezone

from apps.organizations.models.settings import LOCALES
from urfmp.common.rendering import formats
from urfmp.common.rendering.html import datetime_html, relative_time_html

ROOT = Path(__file__).resolve().parents[2]
REPEATED = datetime(2026, 10, 25, 0, 30, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "instant", "shown", "exact"),
    [
        (
            "UTC", datetime(2026, 9, 5, 8, 7, 6, tzinfo=UTC), "5 Sep 2026, 08:07",
            "5 Sep 2026, 08:07:06 UTC",
        ),
        (
            "Asia/Kathmandu", datetime(2026, 9, 5, 20, tzinfo=UTC),
            "6 Sep 2026, 01:45", "6 Sep 2026, 01:45:00 Asia/Kathmandu (UTC+05:45)",
        ),
        (
            "Europe/Berlin", REPEATED,
            "25 Oct 2026, 02:30 (UTC+02:00)", "25 Oct 2026, 02:30:17 Europe/Berlin (UTC+02:00)",
        ),
        (
            "Europe/Berlin", REPEATED + timedelta(hours=1),
            "25 Oct 2026, 02:30 (UTC+01:00)", "25 Oct 2026, 02:30:17 Europe/Berlin (UTC+01:00)",
        ),
    ],
)  # fmt: skip
def test_datetime_has_its_exact_time_at_hand(zone, instant, shown, exact):
    with timezone.override(zone):
        for html in (datetime_html(instant), relative_time_html(instant)):
            assert f'datetime="{instant.isoformat()}"' in html
            assert f'title="{exact}"' in html
        assert f">{shown}<" in datetime_html(instant)


def test_django_itself_formats_dates_in_the_same_way():
    template = Template("{{ time }}|{{ time.date }}")

    with timezone.override("Europe/Berlin"):
        instant = datetime(2026, 11, 27, 17, 16, tzinfo=UTC)
        rendered = template.render(Context({"time": instant}))
        expected = f"{formats.format_datetime(instant)}|{formats.format_date(date(2026, 11, 27))}"

    assert rendered == expected == "27 Nov 2026, 18:16|27 Nov 2026"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0.0"), (33.5, "33.5"), (36, "36.0"), (39.04, "39.0"), (99.94, "99.9"), (100, "100"),
        (464243, "464,243"), (-1234.5, "-1,234"), (0.5, "0.500"), (0.0123, "0.0123"),
        (0.00123, "0.00123"), (1.2e-5, "1.20e-5"), (1.7e308, "1.70e+308"), (1e9, "1.00e+9"),
        (None, "\u2013"),
    ],
)  # fmt: skip
def test_values_are_grouped_and_have_the_decimals_of_their_magnitude(value, shown):
    assert formats.format_value(value) == shown


def test_count_has_no_decimals():
    assert formats.format_value(42, 0) == "42"


@pytest.mark.parametrize(
    ("locale", "shown"),
    [
        ("en-GB", "1,234,567.5"), ("de-DE", "1.234.567,5"), ("de-CH", "1\u2019234\u2019567.5"),
        ("fr-FR", "1\u202f234\u202f567,5"), ("sv-SE", "1\u00a0234\u00a0567,5"),
    ],
)  # fmt: skip
def test_numbers_have_the_separators_of_the_locale(locale, shown):
    with formats.number_locale(locale):
        assert formats.format_number(1234567.5, 1) == shown


def test_every_locale_has_separators():
    assert set(formats.SEPARATORS) == set(LOCALES)


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1536, "1.5 KB"), (2**60, "1,024.0 PB")],
)
def test_sizes_are_in_the_largest_unit(size, shown):
    assert formats.format_bytes(size) == shown


def test_templates_use_no_other_format():
    """A page with a format of its own would differ from all others."""
    forbidden = re.compile(r"\|(date|time|floatformat|intcomma|naturaltime|filesizeformat)\b")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in (ROOT / "templates").rglob("*")
        if path.suffix in {".html", ".txt"}
        for match in forbidden.finditer(path.read_text())
    ]
    assert not found


def test_scripts_use_no_other_format():
    forbidden = re.compile(r"toLocale\w*|toFixed|Intl\.|toUTCString")
    folder = ROOT / "urfmp/pages/static/urfmp/js"
    found = [
        f"{path.name}: {match[0]}"
        for path in folder.glob("*.js")
        if path.name != "format.js"
        for match in forbidden.finditer(path.read_text())
    ]
    assert not found
