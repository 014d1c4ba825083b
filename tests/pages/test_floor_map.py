"""The floor map against a model in plain Python."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.alerts.services.alerts import alert_report
from apps.audit.models import AuditLog
from apps.organizations.services.facilities import facility_create
from apps.robots.choices import RobotStatus
from apps.robots.models import Robot
from apps.robots.selectors.driving import drives
from apps.robots.services.robots import robot_register, robot_update
from apps.telemetry.protocols.points import DecodedBatch, Point
from apps.telemetry.services.rollups import roll_up
from apps.telemetry.services.telemetry import telemetry_ingest
from urfmp.pages.selectors import floor_map as module

pytestmark = pytest.mark.django_db


@pytest.fixture
def facility(organization_a, tenant):
    with tenant(organization_a):
        facility_create(organization_id=organization_a.pk, name="Hall 2")
        return facility_create(organization_id=organization_a.pk, name="Hall 1")


@pytest.fixture
def register(organization_a, facility):
    def make(name="R", coordinates=(1, 2), *, status="idle", place="Hall 1", **fields):
        location = {"facility": place}
        if coordinates is not None:
            location["coordinates"] = dict(zip(("x_m", "y_m"), coordinates, strict=True))
        robot = robot_register(
            organization_id=organization_a.pk, name=name, location=location,
            **{"vendor": "kuka", **fields},
        )  # fmt: skip
        Robot.objects.filter(pk=robot.pk).update(status=status)
        return robot

    return make


@pytest.fixture
def report(organization_a):
    def send(robot, unit="mm", **values):
        time = timezone.now() - timedelta(seconds=5)
        points = [
            (n, Point(f"position.{axis}", time, value, unit="rad" if axis == "rz" else unit,
                      robot_id=robot.pk))
            for n, (axis, value) in enumerate(values.items())
        ]  # fmt: skip
        telemetry_ingest(organization_id=organization_a.pk, decode=lambda: DecodedBatch(points))
        roll_up(organization_a.pk)

    return send


def answer_of(client, facility, box=None):
    address = reverse("admin:floor_map_robots", args=[facility.pk])
    query = {"box": ",".join(map(str, box))} if box else {}
    response = client.get(address, query)
    assert response.status_code == 200
    return response.json()


fleets = st.lists(
    st.tuples(
        st.one_of(st.none(), st.tuples(st.integers(0, 20), st.integers(0, 20))),
        st.sampled_from(RobotStatus.values),
        st.sampled_from(["Hall 1", "Hall 2"]),
        st.booleans(),
    ),
    max_size=8,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fleet=fleets, limit=st.integers(0, 8), box=st.sampled_from([None, (0, 0, 10, 10, 2)]))
def test_answer_matches_model(fleet, limit, box, facility, register, alice, organization_a, tenant):
    with tenant(organization_a), pytest.MonkeyPatch.context() as patch:
        Robot.objects.all().delete()
        statement = module._MAP.replace(f" {module.MAX_ROBOTS}", f" {limit}")
        patch.setattr(module, "_MAP", statement)
        for coordinates, status, place, is_active in fleet:
            robot = register(coordinates=coordinates, status=status, place=place)
            Robot.objects.filter(pk=robot.pk).update(is_active=is_active)
        here = [(c, s) for c, s, place, is_active in fleet if place == "Hall 1" and is_active]
        placed = [(c, s) for c, s in here if c is not None]
        inside = [(c, s) for c, s in placed if box is None or (c[0] <= 10 and c[1] <= 10)]
        found = json.loads(
            module.map_json(alice, facility, module.MapBox(*map(float, box)) if box else None)
        )

    assert (found["total"], found["placed"]) == (len(here), len(placed))
    if len(inside) <= limit:
        assert not found["clusters"]
        expected = Counter((c, s) for c, s in inside)
        assert Counter(((r[3], r[4]), r[2]) for r in found["robots"]) == expected
    else:
        assert not found["robots"]
        assert sum(cluster[2] for cluster in found["clusters"]) == len(inside)
        for axis in (0, 1):
            centre = sum(cluster[axis] * cluster[2] for cluster in found["clusters"])
            assert centre == pytest.approx(sum(c[axis] for c, _ in inside), abs=0.01)


def test_driving_robot_is_where_it_reports_and_an_arm_where_it_was_placed(
    facility, register, report, organization_a, tenant, alice, client_for
):
    with tenant(organization_a):
        vehicle = register("Truck", vendor="mir")
        arm = register("Arm", (3, 4))
        lost = register("Lost", None)
        carrier = register(
            "Own", None, vendor="acme", configuration={"capabilities": ["transport"]}
        )
        assert [drives(robot) for robot in (vehicle, arm, carrier)] == [True, False, True]
        report(vehicle, x=12_500.0, y=-2_000.0, rz=1.5)
        report(arm, x=900.0, y=900.0)
        report(carrier, "m", x=7.0, y=8.0)
    client = client_for(alice)

    found = answer_of(client, facility)

    positions = {row[1]: (row[3], row[4], row[5], row[8]) for row in found["robots"]}
    assert positions == {
        "Truck": (12.5, -2, 1.5, True),
        "Arm": (3, 4, None, False),
        "Own": (7, 8, None, True),
    }
    assert (found["total"], found["placed"], found["extent"]) == (4, 3, [3, -2, 12.5, 8])
    page = client.get(reverse("admin:floor_map_page", args=[facility.pk])).content.decode()
    assert "12.5, -2.0 m" in page
    assert "not on the map" in page
    assert f"?robot={lost.pk}&amp;place=1#place" in page
    assert f"?robot={vehicle.pk}&amp;place=1#place" not in page


@pytest.mark.parametrize(
    ("sent", "unit", "shown"),
    [
        ({"x": 1.7e308, "y": 5.0}, "mm", None),
        ({"x": 5.0, "y": -1.7e308}, "m", None),
        ({"x": 5e-324, "y": 2e9, "rz": 5e-324}, "mm", (0, 2e6, 0)),
        ({"x": 1.0, "y": 1.0, "rz": -1.7e308}, "m", (1, 1, None)),
    ],
)
def test_any_reported_number_leaves_the_map_usable(
    sent, unit, shown, facility, register, report, organization_a, tenant, alice, client_for
):
    with tenant(organization_a):
        vehicle = register("Truck", None, vendor="mir")
        register("Arm", (3, 4))
        report(vehicle, unit, **sent)
    client = client_for(alice)

    found = answer_of(client, facility)

    rows = {row[1]: tuple(row[3:6]) for row in found["robots"]}
    assert rows.get("Truck") == shown
    assert rows["Arm"] == (3, 4, None)
    assert max(map(abs, found["extent"])) <= 1e7
    page = client.get(reverse("admin:floor_map_page", args=[facility.pk]))
    assert page.status_code == 200
    assert ("not on the map" in page.content.decode()) == (shown is None)


def test_alerts_and_telemetry_need_their_permission(
    facility, register, report, organization_a, tenant, make_user, alice, client_for
):
    with tenant(organization_a):
        robot = register("Truck", (1, 1), vendor="mir")
        report(robot, x=5000.0, y=5000.0)
        for severity in ("warning", "critical"):
            alert_report(
                organization_id=organization_a.pk, type="system", severity=severity,
                title=severity, message="m", robot=robot,
            )  # fmt: skip
    [row] = answer_of(client_for(alice), facility)["robots"]
    assert (row[3], row[7]) == (5, "critical")
    user = make_user(organization_a, "custom", permissions=["robot.view", "organization.view"])
    [row] = answer_of(client_for(user), facility)["robots"]
    assert (row[3], row[7]) == (1, None)


@pytest.mark.parametrize(
    "box",
    ["", "1,2,3", "nan,0,1,1,1", "inf,0,1,1,1", "5,5,1,1,1", "0,0,1,1,-1", "a", "1e30,0,1,1,1"],
)
def test_any_box_is_answered(box, facility, register, organization_a, tenant, alice, client_for):
    with tenant(organization_a):
        register()
    address = reverse("admin:floor_map_robots", args=[facility.pk])
    assert len(client_for(alice).get(address, {"box": box}).json()["robots"]) == 1


def test_robot_is_placed_by_form_and_audited(
    facility, register, organization_a, tenant, alice, client_for
):
    with tenant(organization_a):
        robot = register("Arm", None)
        robot_update(robot, location={**robot.location, "area": "A", "coordinates": None})
    client = client_for(alice)
    address = f"{reverse('admin:floor_map_page', args=[facility.pk])}?robot={robot.pk}&place=1"
    assert 'data-placing="' in client.get(address).content.decode()
    for wrong in (
        {"x_m": "1"},
        {"x_m": "x", "y_m": "2"},
        {"x_m": "1e9", "y_m": "2"},
        {"x_m": "nan", "y_m": "1"},
    ):
        assert client.post(address, wrong).status_code == 400

    client.post(address, {"x_m": "12.25", "y_m": "-3", "heading": "90"})

    with tenant(organization_a):
        robot.refresh_from_db()
        assert robot.location == {
            "facility": "Hall 1", "area": "A",
            "coordinates": {"x_m": 12.25, "y_m": -3, "theta_rad": round(math.pi / 2, 6)},
        }  # fmt: skip
        row = AuditLog.objects.filter(action="robots.robot.place").get()
        assert row.after["location"]["coordinates"]["x_m"] == 12.25
    client.post(address, {"x_m": "1", "y_m": "2"})
    with tenant(organization_a):
        robot.refresh_from_db()
        assert robot.location["coordinates"] == {"x_m": 1, "y_m": 2, "theta_rad": 1.570796}


def test_robot_that_left_the_facility_is_not_placed_in_it(
    facility, register, organization_a, tenant, alice, client_for
):
    from django.core.exceptions import ValidationError

    from apps.robots.services.placement import robot_place

    with tenant(organization_a):
        robot = register(place="Hall 2")
        with pytest.raises(ValidationError, match="not in this facility"):
            robot_place(robot, facility="Hall 1", x_m=1, y_m=1)
    address = f"{reverse('admin:floor_map_page', args=[facility.pk])}?robot={robot.pk}&place=1"
    assert client_for(alice).post(address, {"x_m": "1", "y_m": "2"}).status_code == 404


def test_map_of_another_organization_is_not_found(
    facility, register, organization_a, tenant, charlie, client_for
):
    with tenant(organization_a):
        register()
    client = client_for(charlie)
    for name in ("floor_map_page", "floor_map_robots", "floor_plan_page", "floor_plan_picture"):
        assert client.get(reverse(f"admin:{name}", args=[facility.pk])).status_code == 404
    assert "Hall 1" not in client.get(reverse("admin:floor_maps_page")).content.decode()
    query = {"facility": "Hall 1"}
    assert client.get(reverse("admin:floor_maps_page"), query).status_code == 404


def test_viewer_sees_the_map_and_may_not_place(
    facility, register, organization_a, tenant, make_user, client_for
):
    with tenant(organization_a):
        robot = register()
    client = client_for(make_user(organization_a, "viewer"))
    address = f"{reverse('admin:floor_map_page', args=[facility.pk])}?robot={robot.pk}&place=1"
    page = client.get(address)
    assert page.status_code == 200
    assert "data-placing" not in page.content.decode()
    assert client.post(address, {"x_m": "1", "y_m": "2"}).status_code == 403


def test_name_leads_to_the_map(facility, alice, client_for):
    client = client_for(alice)
    response = client.get(reverse("admin:floor_maps_page"), {"facility": "Hall 1", "robot": "x"})
    assert response["location"] == f"{reverse('admin:floor_map_page', args=[facility.pk])}?robot=x"
    page = client.get(reverse("admin:floor_maps_page")).content.decode()
    assert reverse("admin:floor_map_page", args=[facility.pk]) in page
