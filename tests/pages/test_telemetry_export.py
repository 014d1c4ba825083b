from __future__ import annotations

import csv
import io
import zoneinfo
from datetime import timedelta

import pytest
from django.utils import timezone

URL = "/admin/telemetry/export/"


@pytest.fixture
def page(fleet, alice, sign_in):
    return sign_in(alice)


def asked(**parameters):
    """Return a form for the last day in Berlin, where Acme is."""
    now = timezone.now().astimezone(zoneinfo.ZoneInfo("Europe/Berlin"))
    times = {"start": now - timedelta(days=1), "end": now + timedelta(hours=1)}
    return {
        **{name: f"{time:%Y-%m-%dT%H:%M}" for name, time in times.items()},
        "format": "csv",
        **parameters,
    }


def rows(answer):
    assert answer.status_code == 200, answer.content
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_form_offers_the_robots_and_a_range(page, fleet):
    text = page.get(URL, {"robots": str(fleet.a.robot.pk)}).content.decode()
    assert f'<option value="{fleet.a.robot.pk}" selected>open robot</option>' in text
    assert "secret robot" not in text


def test_download_of_everything(page):
    values = [(row["robot_name"], row["value"]) for row in rows(page.get(URL, asked()))]
    assert values == [("open robot", value) for value in ("40", "41", "1", "42", "2")]


def test_chosen_robots_and_metrics(page, fleet):
    form = asked(robots=[str(fleet.a.robot.pk)], metrics="power.total,\n current.total")
    assert [row["value"] for row in rows(page.get(URL, form))] == ["1", "2"]


def test_times_are_the_organizations(page):
    """A range that ended an hour ago in Berlin holds nothing, though it goes on in UTC."""
    berlin = timezone.now().astimezone(zoneinfo.ZoneInfo("Europe/Berlin"))
    form = asked(end=f"{berlin - timedelta(hours=1):%Y-%m-%dT%H:%M}")
    assert rows(page.get(URL, form)) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"start": ""}, "From: This field is required"),
        ({"start": "1999-01-01T00:00"}, "between the years 2000 and 2200"),
        ({"end": "2001-01-01T00:00"}, "The end lies after the start"),
        ({"format": "xlsx"}, "File format: Select a valid choice"),
        ({"robots": ["00000000-0000-0000-0000-000000000000"]}, "Robots: Select a valid choice"),
        ({"robots": ["x"]}, "Robots: Select a valid choice"),
        ({"metrics": " ".join(f"m{n}" for n in range(101))}, "Name at most 100 metrics"),
    ],
)
def test_mistakes_are_told(wrong, words, page):
    answer = page.get(URL, asked(**wrong))
    assert answer.status_code == 400
    assert words in answer.content.decode()


def test_robot_of_another_organization_is_no_choice(page, fleet):
    assert page.get(URL, asked(robots=[str(fleet.b.robot.pk)])).status_code == 400


def test_too_many_at_once_are_told(page, monkeypatch):
    monkeypatch.setattr(
        "apps.telemetry.services.export._takes_place", lambda organization_id: False
    )
    answer = page.get(URL, asked())
    assert (answer.status_code, answer["Retry-After"]) == (429, "30")
    assert "As many exports run as may run at once" in answer.content.decode()


def test_viewer_sees_no_button_and_no_page(fleet, alice, bob, sign_in):
    assert URL in sign_in(alice).get("/admin/telemetry/").content.decode()
    viewer = sign_in(bob)
    assert URL not in viewer.get("/admin/telemetry/").content.decode()
    assert viewer.get(URL).status_code == 403
