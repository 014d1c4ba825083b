"""The fleet by facility, area and cell, against a model in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.alerts.models import Alert
from apps.alerts.services.alerts import alert_report
from apps.organizations.services.facilities import facility_create
from apps.robots.choices import RobotStatus
from apps.robots.models import Robot
from apps.robots.selectors.availability import STATUS_SEVERITY
from apps.robots.services.robots import robot_register
from tests.support.statements import request_statements
from urfmp.pages.selectors import fleet_tree as module
from urfmp.pages.selectors.fleet_tree import fleet_tree

pytestmark = pytest.mark.django_db

TREE = reverse("admin:fleet_tree_page")
LIST = reverse("admin:robots_robot_changelist")

places = st.tuples(
    st.sampled_from(["Hall 1", "Halle <ä>", "", None]),
    st.sampled_from(["A", "B & C", "", None]),
    st.sampled_from(["7", "/..", None]),
)
robots = st.lists(
    st.tuples(places, st.sampled_from(RobotStatus.values), st.integers(0, 2), st.booleans()),
    max_size=8,
)


def register(organization, place, status="idle", alerts=0, *, is_active=True):
    location = {
        level: name
        for level, name in zip(("facility", "area", "cell"), place, strict=True)
        if name is not None
    }
    robot = robot_register(
        organization_id=organization.pk, name="R", vendor="kuka", location=location or None
    )
    for number in range(alerts):
        severity = "error" if number else "warning"
        alert_report(
            organization_id=organization.pk, type="system", severity=severity,
            title=f"Hot {number}", message="m", robot=robot,
        )  # fmt: skip
    Robot.objects.filter(pk=robot.pk).update(status=status, is_active=is_active)
    return robot


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fleet=robots)
def test_tree_matches_model(fleet, organization_a, alice, tenant):
    with tenant(organization_a):
        Alert.objects.all().delete()
        Robot.objects.all().delete()
        for name in ("Hall 1", "Halle <ä>", "Empty"):
            if not organization_a.facilities_made.get(name):
                facility_create(organization_id=organization_a.pk, name=name)
                organization_a.facilities_made[name] = True
        expected = defaultdict(lambda: [Counter(), 0])
        for place, status, alerts, is_active in fleet:
            register(organization_a, place, status, alerts, is_active=is_active)
            for depth in (1, 2, 3):
                if is_active:
                    node = expected[tuple(name or "" for name in place[:depth])]
                    node[0][status] += 1
                    node[1] += alerts
        for name in ("Hall 1", "Halle <ä>", "Empty"):
            expected[(name,)]
        found = {}
        todo = [()]
        while todo:
            part = fleet_tree(alice, todo.pop())
            names = [node.path[-1] for node in part.nodes]
            assert names == sorted(names, key=lambda name: (not name, name.casefold(), name))
            assert part.count_label.startswith(f"{len(list(filter(None, names)))} ")
            for node in part.nodes:
                found[node.path] = [node.statuses, node.alerts.count if node.alerts else 0]
                if node.children_kind and node.robots:
                    todo.append(node.path)
                worst = [status for status in STATUS_SEVERITY if node.statuses[status]]
                assert node.worst == (worst[0] if worst else None)
        assert found == expected


@pytest.fixture(autouse=True)
def _facilities(organization_a):
    organization_a.facilities_made = {}


@pytest.fixture
def hall(organization_a, tenant):
    with tenant(organization_a):
        facility_create(organization_id=organization_a.pk, name="Hall 1")
        for number in range(3):
            register(organization_a, ("Hall 1", "B & C", f"Cell {number % 2}"), "running")
        register(organization_a, ("Hall 1", None, None), "error", alerts=2)
        register(organization_a, (None, "Yard", None), "offline")


def test_page_shows_counts_worst_state_and_alerts(hall, alice, client_for):
    client = client_for(alice)
    page = client.get(TREE).content.decode()
    for text in ("Hall 1", "No facility", "1 error, 3 running", "2 alerts, worst: Error"):
        assert text in page
    part = client.get(TREE, {"facility": "Hall 1"})
    assert [node.name for node in part.context["part"].nodes] == ["B & C", "No area"]
    assert "B &amp; C" in part.content.decode()
    cells = client.get(TREE, {"facility": "Hall 1", "area": "B & C"})
    assert [node.name for node in cells.context["part"].nodes] == ["Cell 0", "Cell 1"]
    trail = cells.content.decode()
    assert "facility=Hall+1" in trail


@pytest.mark.parametrize(
    "query",
    [
        {"facility": "Nowhere"}, {"facility": "", "area": ""}, {"area": "A"}, {"page": "9" * 30},
        {"page": "-1"}, {"page": "x"}, {"page": "²"}, {"facility": "x" * 5000},
        {"facility": "Hall 1", "area": "%", "page": "2"},
    ],
)  # fmt: skip
def test_page_accepts_any_address(query, hall, alice, client_for):
    assert client_for(alice).get(TREE, query).status_code == 200


def test_every_node_links_to_its_robots(hall, alice, client_for, organization_a, tenant):
    client, todo, seen = client_for(alice), [()], 0
    while todo:
        with tenant(organization_a):
            nodes = fleet_tree(alice, todo.pop()).nodes
        for node in nodes:
            response = client.get(node.robots_address)
            assert response.status_code == 200, node
            assert response.context["cl"].result_count == node.robots, node
            todo += [node.path] if node.address else []
            seen += 1
    assert seen == 9


def test_list_filters_by_place_in_api(hall, alice, client_for):
    client = client_for(alice)

    def count(**query):
        return len(client.get("/api/v1/robots", query).json()["results"])

    assert count(facility="Hall 1", area="B & C") == 3
    assert count(area="B & C", cell="Cell 0") == 2
    assert count(area="Yard") == 1
    assert count(cell="None") == 0


def test_filters_offer_places_below_the_chosen_one(hall, alice, client_for):
    client = client_for(alice)

    def offered(**query):
        specs = client.get(LIST, query).context["cl"].filter_specs
        choices = {spec.title: [value for value, _ in spec.lookup_choices] for spec in specs[1:4]}
        return choices["facility"], choices["area"], choices["cell"]

    assert offered() == ([" ", "Hall 1"], [" ", "B & C", "Yard"], [" "])
    assert offered(facility="Hall 1") == ([" ", "Hall 1"], [" ", "B & C"], [" "])
    cells = [" ", "Cell 0", "Cell 1"]
    assert offered(area="B & C") == ([" ", "Hall 1"], [" ", "B & C", "Yard"], cells)
    assert offered(cell="Gone") == ([" ", "Hall 1"], [" ", "B & C", "Yard"], [" ", "Gone"])


def test_other_organization_sees_nothing(hall, charlie, client_for, organization_b, tenant):
    page = client_for(charlie).get(TREE).content.decode()
    assert "Hall 1" not in page
    with tenant(organization_b):
        assert not fleet_tree(charlie, ("Hall 1",)).nodes


def test_page_without_permission_is_denied(hall, make_user, organization_a, client_for):
    client = client_for(make_user(organization_a, "custom", permissions=["alert.view"]))
    assert client.get(TREE).status_code == 403


def test_alerts_are_hidden_without_permission(hall, make_user, organization_a, client_for):
    client = client_for(make_user(organization_a, "custom", permissions=["robot.view"]))
    page = client.get(TREE).content.decode()
    assert "1 error, 3 running" in page
    assert "alerts, worst" not in page


def test_large_fleet_takes_few_queries_and_small_pages(
    alice, client_for, organization_a, tenant, monkeypatch
):
    with tenant(organization_a), connection.cursor() as cursor:
        for number in range(3):
            facility_create(organization_id=organization_a.pk, name=f"Hall {number}")
        cursor.execute(
            "INSERT INTO robots (organization_id, name, vendor, location, configuration)"
            " SELECT %s, 'R' || n, 'kuka', jsonb_build_object('facility', 'Hall ' || n %% 3,"
            " 'area', 'Area with a long name ' || n %% 500, 'cell', 'Cell ' || n), '{}'"
            " FROM generate_series(1, 1500) AS n",
            [organization_a.pk],
        )
    client = client_for(alice)
    client.get(TREE)
    for query in ({}, {"facility": "Hall 1"}, {"facility": "Hall 1", "area": "Area 1"}):
        with CaptureQueriesContext(connection) as queries:
            response = client.get(TREE, query)
        executed = request_statements(queries)
        assert len(executed) <= 12
        assert len(response.content) < 150_000
    specs = client.get(LIST, {"facility": "Hall 1"}).context["cl"].filter_specs
    assert max(len(spec.lookup_choices) for spec in specs[1:4]) == 101
    first = client.get(TREE, {"facility": "Hall 1"}).context["part"]
    assert (len(first.nodes), first.next_page) == (100, 2)
    names = []
    for page in range(1, 7):
        part = client.get(TREE, {"facility": "Hall 1", "page": page}).context["part"]
        if part.page == page:
            names += [node.name for node in part.nodes]
    assert len(names) == len(set(names)) == first.total


def test_list_of_many_places_takes_few_queries(hall, alice, client_for):
    client = client_for(alice)
    client.get(LIST)
    with CaptureQueriesContext(connection) as queries:
        client.get(LIST, {"facility": "Hall 1", "area": "B & C"})
    executed = request_statements(queries)
    assert len(executed) <= 12


def test_page_size_is_that_of_one_page(monkeypatch, hall, alice, organization_a, tenant):
    monkeypatch.setattr(module, "MAX_NODES", 1)
    with tenant(organization_a):
        pages = [fleet_tree(alice, ("Hall 1",), number) for number in (1, 2, 3)]
    assert [part.page for part in pages] == [1, 2, 2]
    assert [part.nodes[0].name for part in pages] == ["B & C", "No area", "No area"]
    assert [part.next_page for part in pages] == [2, None, None]
