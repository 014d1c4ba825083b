"""Search of the command palette: rows and pages that the user may open."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.robots.models import RobotCommand
from urfmp.common.rendering.formats import format_datetime

pytestmark = pytest.mark.django_db


def hits(client, text):
    """Return title, description and address of each hit."""
    page = client.get(reverse("admin:search"), {"s": text, "extended": "1"})
    assert page.status_code == 200
    found = re.findall(
        r'<a href="([^"]+)">.*?u-palette__title">(.*?)</span>\s*<span[^>]*>(.*?)</span>',
        page.content.decode(),
        re.DOTALL,
    )
    return [(unescape(title), unescape(details), link) for link, title, details in found]


def titles(client, text):
    return {title for title, _, _ in hits(client, text)}


def test_hits_of_equal_titles_differ(fleet, alice, client_for, make_alert, make_task, make_robot):
    organization, now = fleet.a.organization, timezone.now()
    for name in ("Welder 1", "Welder 2"):
        robot = make_robot(organization, name=name)
        make_alert(organization, robot=robot, title="Service is due")
        for days in (1, 2):
            due = now + timedelta(days=days)
            make_task(organization, alice, robot=robot, title="Quarterly service", due_at=due)
    client = client_for(alice)

    tasks, alerts = hits(client, "quarterly"), hits(client, "service is due")

    assert len(tasks) == len({details for _, details, _ in tasks}) == 4
    with timezone.override("Europe/Berlin"):
        due = format_datetime(now + timedelta(days=1))
    assert any(details.startswith("Maintenance · Welder 2 · due") for _, details, _ in tasks)
    assert due.split(",")[0] in " ".join(details for _, details, _ in tasks)
    assert {details.split(" · ")[:3][1] for _, details, _ in alerts} == {"Welder 1", "Welder 2"}


def test_command_hit_shows_robot_state_and_time(fleet, alice, client_for, tenant):
    with tenant(fleet.a.organization):
        command = RobotCommand.objects.create(
            organization=fleet.a.organization, robot=fleet.a.robot, type="run_program"
        )
    client = client_for(alice)
    with timezone.override("Europe/Berlin"):
        day = format_datetime(command.created_at).split(",")[0]

    for text in ("run program", "program open"):
        ((title, details, link),) = [hit for hit in hits(client, text) if "Command" in hit[1]]
        assert title == "Run program"
        assert details.startswith("Command · open robot · Pending · ")
        assert day in details
        assert client.get(link).status_code == 200
    assert not any("Command" in details for _, details, _ in hits(client, "open robot"))


def test_every_word_of_robot_and_title_counts(fleet, alice, client_for):
    client = client_for(alice)
    number = fleet.a.robot.serial_number

    assert titles(client, "task robot") == {"open task"}
    assert "open alert" in titles(client, f"alert {number}")
    assert titles(client, "open nowhere") == set()


def test_users_and_facilities_are_found(fleet, alice, bob, client_for):
    client = client_for(alice)

    assert ("Bob", "User · bob@acme.example · Viewer") in {hit[:2] for hit in hits(client, "bob@")}
    assert titles(client, "open hall") == {"open hall"}
    assert titles(client, "system") == set()


@pytest.mark.parametrize("role", ["viewer", "operator", "technician", "manager", "admin", "custom"])
def test_every_hit_opens(role, fleet, bob, make_user, client_for):
    client = client_for(make_user(fleet.a.organization, role))

    for text in ("o", "e", "add", "robot", "bob", "s"):
        for title, _, link in hits(client, text):
            assert client.get(link).status_code == 200, title


def test_pages_are_found_by_name(fleet, alice, client_for, make_user):
    client = client_for(alice)
    assert hits(client, "STATUS")[0] == (
        "Status history", "Page", reverse("admin:status_history_page")
    )  # fmt: skip
    assert {"API keys", "Add API key", "API documentation"} <= titles(client, "api")
    assert {"Telemetry", "Telemetry export", "Telemetry imports"} <= titles(client, "telemetry")
    assert titles(client_for(make_user(fleet.a.organization, "viewer")), "api") == {
        "API documentation"
    }


def test_search_takes_few_queries(fleet, alice, client_for, django_assert_max_num_queries):
    client = client_for(alice)
    client.get(reverse("admin:index"))
    with django_assert_max_num_queries(12):
        hits(client, "open")
