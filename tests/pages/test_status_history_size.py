"""The status history page with 200 robots and a month of changes."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.robots.models import Robot
from apps.robots.selectors.status_intervals import (
    TimeRange,
    status_summaries,
    status_summary,
    summaries_total,
)

MAX_HTML_BYTES = 150_000
ROBOTS = 200
CHANGES_PER_ROBOT = 1_000


@pytest.fixture
def large_fleet(organization_a, make_robot, tenant):
    make_robot(organization_a)
    fields = {"organization_id": organization_a.id, "vendor": "universal_robots", "model": "UR3"}
    with tenant(organization_a), connection.cursor() as cursor:
        Robot.objects.bulk_create(
            Robot(**fields, serial_number=f"SN-{n}", name=f"Robot with a long name {n:03}")
            for n in range(1, ROBOTS)
        )
        cursor.execute(
            """
            INSERT INTO robot_status_history (time, robot_id, status, reason)
            SELECT now() - interval '30 days' + (n + random()) * interval '30 days' / %(changes)s,
                   r.id, (ARRAY['running', 'idle', 'running', 'error', 'stopped', 'offline'])
                         [1 + floor(random() * 6)], 'A reason of some length for the change'
            FROM robots r, generate_series(0, %(changes)s - 1) AS n
            """,
            {"changes": CHANGES_PER_ROBOT},
        )
    return organization_a


@pytest.mark.parametrize("query", ["range=7d", "range=30d", "range=30d&by=day"])
def test_page_of_a_large_fleet_is_small_and_needs_few_queries(
    query, large_fleet, alice, client_for, django_assert_max_num_queries
):
    client = client_for(alice)
    # Four of them are of the test's transaction; a page by day totals the days and the robots.
    with django_assert_max_num_queries(16):
        page = client.get(f"/admin/status-history/?{query}")

    assert page.status_code == 200
    assert len(page.content) < MAX_HTML_BYTES
    assert len(page.context["strips"]) == 25


def test_page_of_a_large_fleet_takes_few_times_an_empty_page(large_fleet, alice, client_for):
    """300 ms are about ten times an empty page, on any machine and under any load."""
    client = client_for(alice)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as autovacuum does; the rows are new

    def seconds(url):
        start = time.perf_counter()
        assert client.get(url).status_code == 200
        return time.perf_counter() - start

    urls = {
        "empty": "/admin/profile/",
        "week": "/admin/status-history/?range=7d",
        "month": "/admin/status-history/?range=30d",
    }
    measured: dict[str, list[float]] = {name: [] for name in urls}
    for _ in range(7):  # interleaved, so that other load meets all of them
        for name, url in urls.items():
            measured[name].append(seconds(url))
    fastest = {name: min(found) for name, found in measured.items()}

    assert fastest["week"] < 5 * fastest["empty"], fastest
    assert fastest["month"] < 10 * fastest["empty"], fastest


def test_strip_is_a_picture_with_its_values(large_fleet, alice, client_for):
    html = client_for(alice).get("/admin/status-history/").content.decode()

    strips = re.findall(
        r'<div class="u-timeline" data-strip="[^"]+" role="img" aria-label="([^"]+)"', html
    )
    assert len(strips) == 25
    assert all(re.search(r"Running \d+\.\d %", text) for text in strips)
    assert html.count('<path stroke="url(#status-running)"') == 25


def test_total_of_the_robots_is_that_of_the_fleet(large_fleet, tenant):
    with tenant(large_fleet):
        ids = list(Robot.objects.values_list("pk", flat=True))
        now = timezone.now()
        span = TimeRange.of(now - timedelta(days=3), now)

        assert summaries_total(status_summaries(ids, span).values()) == status_summary(ids, span)
