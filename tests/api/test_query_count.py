"""Lists cost the same number of queries at 1 and at 10 rows."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import ApiKey
from apps.accounts.permissions.roles import SCOPES
from apps.accounts.services.users import system_user_get
from apps.alerts.services.alerts import alert_report
from apps.maintenance.services.tasks import task_create
from apps.robots.models import Robot, RobotCommand

LISTS = [
    "robots", "facilities", "users", "sessions", "api-keys", "organizations", "commands",
    "maintenance-tasks", "alerts", "audit-logs", "robots/{}/commands", "robots/{}/status-history",
]  # fmt: skip


@pytest.fixture
def fill(organization_a, tenant, make_robot, make_facility, make_user, make_key, client_for):
    robots = []

    def add():
        number = len(robots)
        facility = make_facility(organization_a, f"Hall {number}")
        robots.append(make_robot(organization_a, location={"facility": facility.name}))
        client_for(make_user(organization_a))
        make_key(organization_a, robot=robots[-1])
        with tenant(organization_a):
            author = system_user_get(organization_id=organization_a.id)
            task_create(
                organization_id=organization_a.id,
                created_by=author,
                title="t",
                type="cleaning",
                robot=robots[-1],
                assigned_to=author,
            )
            alert_report(
                organization_id=organization_a.id,
                robot=robots[-1],
                type="system",
                severity="info",
                title="a",
                message="m",
            )
            RobotCommand.objects.create(organization=organization_a, robot=robots[0], type="start")
            Robot.objects.filter(pk=robots[0].pk).update(status="idle" if number % 2 else "error")
        return robots[0]

    return add  # fmt: skip


@pytest.mark.parametrize("route", LISTS)
def test_query_count(route, fill, organization_a, make_key):
    key = make_key(organization_a, sorted(SCOPES))
    robot = fill()
    path = f"/api/v1/{route.format(robot.pk)}"

    def queries():
        with CaptureQueriesContext(connection) as captured:
            rows = Client().get(path, headers={"x-api-key": key}).json()["results"]
        # The test's own transaction makes a savepoint out of the request's.
        return len(rows), [q["sql"] for q in captured if "SAVEPOINT" not in q["sql"]]

    queries()  # once a minute a key's use is noted
    few_rows, few = queries()
    for _ in range(9):
        fill()
    many_rows, many = queries()
    assert few_rows >= 1
    assert many_rows >= 10 or route == "organizations"
    assert len(many) == len(few) <= 6, many


def test_api_key_lookup_takes_one_query(organization_a, make_key, tenant):
    key = make_key(organization_a, ["robots:read"])
    with CaptureQueriesContext(connection) as captured:
        Client().get("/api/v1/robots", headers={"x-api-key": key})
    assert sum("api_key_credential" in q["sql"] for q in captured) == 1
    with tenant(organization_a):
        assert ApiKey.objects.count() == 1
