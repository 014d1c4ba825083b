"""Filters in use are shown above a list and removed one by one."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs

import pytest
from django.urls import reverse

ROBOTS = reverse("admin:robots_robot_changelist")
ALERTS = reverse("admin:alerts_alert_changelist")
AUDIT = reverse("admin:audit_auditlog_changelist")


@pytest.fixture
def chips(client_for, alice):
    """Return the chips of a list as `{text: query parameters without this filter}`."""

    def read(url, query):
        response = client_for(alice).get(url, query)
        assert response.status_code == 200
        html = response.content.decode()
        pattern = r'<a class="u-chip" href="\?([^"]*)" aria-label="Remove filter ([^"]*)"'
        return {
            unescape(label): parse_qs(unescape(address))
            for address, label in re.findall(pattern, html)
        }

    return read


def test_list_without_filters_has_no_chips(chips, make_robot, organization_a):
    make_robot(organization_a)

    assert chips(ROBOTS, {}) == {}
    assert chips(ROBOTS, {"q": "Robot"}) == {}


def test_chip_keeps_the_search_and_the_other_filters(chips, make_robot, organization_a):
    make_robot(organization_a)
    found = chips(ROBOTS, {"q": "Robot", "status__exact": "error", "is_active__exact": "1"})

    assert found["status: Error"] == {"q": ["Robot"], "is_active__exact": ["1"]}
    assert len(found) == 2


def test_chip_of_related_row_shows_its_name(chips, make_alert, make_robot, organization_a):
    robot = make_robot(organization_a, name="Press tender 4")
    make_alert(organization_a, robot=robot)

    found = chips(ALERTS, {"robot__id__exact": str(robot.pk)})

    assert list(found) == ["robot: Press tender 4"]


def test_chip_of_foreign_row_shows_no_name(chips, make_robot, organization_b):
    foreign = make_robot(organization_b, name="Secret project")

    found = chips(ALERTS, {"robot__id__exact": str(foreign.pk)})

    assert "Secret" not in str(found)


def test_chip_of_time_range_shows_both_ends(chips):
    query = {
        "created_at_from_0": "2026-01-01", "created_at_from_1": "08:00",
        "created_at_to_0": "2026-02-01", "created_at_to_1": "09:30",
    }  # fmt: skip

    (text,) = chips(AUDIT, query)

    assert "from 2026-01-01 08:00" in text
    assert "to 2026-02-01 09:30" in text


def test_value_is_escaped(client_for, alice):
    response = client_for(alice).get(AUDIT, {"object": "<script>alert(1)</script>"})

    assert "<script>alert(1)" not in response.content.decode()
