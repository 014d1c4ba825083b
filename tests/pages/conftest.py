from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.telemetry.services.pending_work import pending_work_enqueue


@pytest.fixture
def make_points(tenant):
    def make(organization: Any, robot: Any, metric: str, values: list[float], unit: str) -> None:
        now = timezone.now()
        times = [now - timedelta(seconds=len(values) - number) for number in range(len(values))]
        with tenant(organization), connection.cursor() as cursor:
            pending_work_enqueue(organization.id, [(robot.pk, metric, time) for time in times])
            cursor.executemany(
                "INSERT INTO robot_telemetry (time, robot_id, metric_name, value, unit)"
                " VALUES (%s, %s, %s, %s, %s)",
                [
                    (time, robot.pk, metric, value, unit)
                    for time, value in zip(times, values, strict=True)
                ],
            )

    return make


@pytest.fixture
def make_alert(tenant):
    from apps.alerts.services.alerts import alert_report

    def make(organization: Any, **fields: Any) -> Any:
        values = {"type": "telemetry", "severity": "error", "title": "Too hot", "message": "90"}
        with tenant(organization):
            return alert_report(organization_id=organization.id, **{**values, **fields}).alert

    return make


@pytest.fixture
def make_task(tenant):
    from apps.maintenance.services.tasks import task_create

    def make(organization: Any, author: Any, **fields: Any) -> Any:
        values = {"title": "Grease joint 2", "type": "lubrication"}
        with tenant(organization):
            return task_create(
                organization_id=organization.id, created_by=author, **{**values, **fields}
            )

    return make


@pytest.fixture
def fleet(
    alice, charlie, organization_a, organization_b, make_facility, make_robot, make_alert,
    make_task, make_points,
):  # fmt: skip
    """One object of each kind in both organizations. Names in B start with "secret"."""
    sides = SimpleNamespace()
    for name, organization, author, word in (
        ("a", organization_a, alice, "open"),
        ("b", organization_b, charlie, "secret"),
    ):
        facility = make_facility(organization, f"{word} hall")
        robot = make_robot(
            organization, name=f"{word} robot", location={"facility": facility.name, "cell": "C1"}
        )
        make_points(organization, robot, "temperature.motor.joint1", [40.0, 41.0, 42.0], "Cel")
        make_points(organization, robot, "current.total", [1.0, 2.0], "A")
        due = timezone.now() - timedelta(hours=2)
        side = SimpleNamespace(
            organization=organization,
            facility=facility,
            robot=robot,
            alert=make_alert(organization, robot=robot, title=f"{word} alert"),
            task=make_task(organization, author, robot=robot, title=f"{word} task", due_at=due),
        )
        setattr(sides, name, side)
    return sides
