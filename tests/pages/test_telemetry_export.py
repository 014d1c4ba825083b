from __future__ import annotations

import codecs
import csv
import gzip
import io
import zoneinfo
from datetime import timedelta

import pytest
from django.utils import timezone

URL = "/admin/telemetry/export/"


@pytest.fixture
def page(fleet, alice, client_for):
    return client_for(alice)


def export_form(**parameters):
    """Return form data for the last day in Acme's timezone, Europe/Berlin."""
    now = timezone.now().astimezone(zoneinfo.ZoneInfo("Europe/Berlin"))
    times = {"start": now - timedelta(days=1), "end": now + timedelta(hours=1)}
    return {
        **{name: f"{time:%Y-%m-%dT%H:%M}" for name, time in times.items()},
        "format": "csv",
        **parameters,
    }


def rows(answer):
    assert answer.status_code == 200, answer.content
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


@pytest.mark.parametrize("file_format", ["csv", "csv.gz"])
def test_spreadsheet_file_begins_with_byte_order_mark(page, file_format):
    """Excel on Windows takes UTF-8 without a mark for Windows-1252."""
    answer = page.get(URL, export_form(format=file_format))
    content = b"".join(answer.streaming_content)
    content = gzip.decompress(content) if file_format == "csv.gz" else content
    assert content.startswith(codecs.BOM_UTF8 + b"robot_id,")
    assert content.count(codecs.BOM_UTF8) == 1


def test_form_offers_own_robots(page, fleet):
    text = page.get(URL, {"robots": str(fleet.a.robot.pk)}).content.decode()
    assert f'<option value="{fleet.a.robot.pk}" selected>open robot</option>' in text
    assert "secret robot" not in text


def test_download_without_filters_exports_all(page):
    values = [(row["robot_name"], row["value"]) for row in rows(page.get(URL, export_form()))]
    assert values == [("open robot", value) for value in ("40", "41", "1", "42", "2")]


def test_download_filters_robots_and_metrics(page, fleet):
    form = export_form(robots=[str(fleet.a.robot.pk)], metrics="power.total,\n current.total")
    assert [row["value"] for row in rows(page.get(URL, form))] == ["1", "2"]


def test_times_use_organization_timezone(page):
    """A range that ended an hour ago in Berlin is empty, although it has not ended in UTC."""
    berlin = timezone.now().astimezone(zoneinfo.ZoneInfo("Europe/Berlin"))
    form = export_form(end=f"{berlin - timedelta(hours=1):%Y-%m-%dT%H:%M}")
    assert rows(page.get(URL, form)) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"start": ""}, "From: This field is required"),
        ({"start": "1999-01-01T00:00"}, "between the years 2000 and 2200"),
        ({"end": "2001-01-01T00:00"}, "The end must be after the start"),
        ({"format": "xlsx"}, "File format: Select a valid choice"),
        ({"robots": ["00000000-0000-0000-0000-000000000000"]}, "Robots: Select a valid choice"),
        ({"robots": ["x"]}, "Robots: Select a valid choice"),
        ({"metrics": " ".join(f"m{n}" for n in range(101))}, "Enter at most 100 metrics"),
    ],
)
def test_invalid_form_shows_error(wrong, words, page):
    answer = page.get(URL, export_form(**wrong))
    assert answer.status_code == 400
    assert words in answer.content.decode()


@pytest.mark.parametrize("link", [{}, {"start": "2026-01-01T00:00"}, {"robots": "x"}])
def test_form_of_a_link_shows_no_errors(link, page):
    answer = page.get(URL, link)
    assert answer.status_code == 200
    assert "This field is required" not in answer.content.decode()


def test_robot_of_other_organization_is_rejected(page, fleet):
    assert page.get(URL, export_form(robots=[str(fleet.b.robot.pk)])).status_code == 400


def test_too_many_exports_return_429(page, monkeypatch):
    monkeypatch.setattr(
        "apps.telemetry.services.export._try_acquire_slot", lambda organization_id: False
    )
    answer = page.get(URL, export_form())
    assert (answer.status_code, answer["Retry-After"]) == (429, "30")
    assert "Too many exports are running" in answer.content.decode()


def test_viewer_cannot_export(fleet, alice, bob, client_for):
    assert URL in client_for(alice).get("/admin/telemetry/").content.decode()
    viewer = client_for(bob)
    assert URL not in viewer.get("/admin/telemetry/").content.decode()
    assert viewer.get(URL).status_code == 403
