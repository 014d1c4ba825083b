"""The list, the tree and the map of 10,000 robots: queries, time and size."""

from __future__ import annotations

import gzip
import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.organizations.services.facilities import facility_create
from tests.support.statements import request_statements

MAX_PAGE_BYTES = 160_000
# What the proxy sends: it compresses HTML and JSON.
MAX_SENT_BYTES = 150_000
MAX_QUERIES = 12
ROBOTS = 10_000
FACILITIES = 20


@pytest.fixture
def facility(organization_a, tenant):
    """A facility with half of 10,000 robots; the others are in 19 more."""
    with tenant(organization_a), connection.cursor() as cursor:
        found = [
            facility_create(organization_id=organization_a.pk, name=f"Hall {number}")
            for number in range(FACILITIES)
        ]
        cursor.execute(
            """
            INSERT INTO robots (organization_id, name, vendor, model, serial_number, status,
                                location, configuration, last_seen)
            SELECT %(organization)s, 'Robot with a long name ' || n,
                   (ARRAY['kuka', 'mir', 'abb'])[1 + n %% 3], 'KR 10', 'SN-' || n,
                   (ARRAY['running', 'idle', 'error', 'offline', 'stopped'])[1 + n %% 5],
                   jsonb_build_object(
                       'facility', 'Hall ' || CASE WHEN n %% 2 = 0 THEN 0 ELSE n %% %(halls)s END,
                       'area', 'Area with a name ' || n %% 400, 'cell', 'Cell ' || n %% 4000,
                       'coordinates', jsonb_build_object('x_m', n %% 200, 'y_m', n / 100)),
                   '{}', now() - n * interval '1 second'
            FROM generate_series(1, %(robots)s) AS n
            """,
            {"organization": organization_a.pk, "robots": ROBOTS, "halls": FACILITIES},
        )
        cursor.execute(
            """
            INSERT INTO alerts (organization_id, robot_id, type, severity, title, message, source)
            SELECT organization_id, id, 'system', 'warning', 'Hot', 'm', 'robot'
            FROM robots WHERE status = 'error'
            """
        )
        cursor.execute(
            """
            INSERT INTO telemetry_latest (organization_id, robot_id, metric_name, time, value, unit)
            SELECT organization_id, id, metric, now(), 1000 * random(), 'mm'
            FROM robots, unnest(ARRAY['position.x', 'position.y']) AS metric WHERE vendor = 'mir'
            """
        )
    return found[0]


def test_pages_of_ten_thousand_robots_are_quick_and_small(facility, alice, client_for):
    """300 ms are about ten times an empty page, on any machine and under any load."""
    client = client_for(alice)
    map_page = reverse("admin:floor_map_page", args=[facility.pk])
    map_robots = reverse("admin:floor_map_robots", args=[facility.pk])
    tree = reverse("admin:fleet_tree_page")
    pages = {
        "empty": reverse("admin:profile_page"),
        "list": reverse("admin:robots_robot_changelist"),
        "list of a facility": f"{reverse('admin:robots_robot_changelist')}?facility=Hall+0",
        "tree": tree,
        "tree of a facility": f"{tree}?facility=Hall+0",
        "tree of an area": f"{tree}?facility=Hall+0&area=Area+with+a+name+8",
        "map": map_page,
        "map, all robots": map_robots,
        "map, some robots": f"{map_robots}?box=0,0,20,20,2",
    }
    for name, address in pages.items():
        client.get(address)  # warms caches of templates and statements
        with CaptureQueriesContext(connection) as queries:
            page = client.get(address)
        statements = request_statements(queries)
        assert page.status_code == 200, name
        assert len(statements) <= MAX_QUERIES, (name, statements)
        assert len(gzip.compress(page.content)) < MAX_SENT_BYTES, (name, len(page.content))
        if name.startswith("list"):
            assert len(page.content) < MAX_PAGE_BYTES, (name, len(page.content))

    measured: dict[str, list[float]] = {name: [] for name in pages}
    for _ in range(5):  # interleaved, so that other load meets all of them
        for name, address in pages.items():
            start = time.perf_counter()
            client.get(address)
            measured[name].append(time.perf_counter() - start)
    fastest = {name: min(found) for name, found in measured.items()}
    slow = {name: found for name, found in fastest.items() if found > 10 * fastest["empty"]}
    assert not slow, fastest
