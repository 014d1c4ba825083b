from __future__ import annotations

import pytest
from django.urls import reverse

from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.creation import command_create
from apps.robots.services.status import robot_report_status

pytestmark = pytest.mark.django_db


@pytest.fixture
def make_placed(organization_a, make_robot, make_facility, tenant):
    """Return a function that registers a robot which is online in a cell of Hall A."""
    make_facility(organization_a, "Hall A")

    def make(name, cell):
        robot = make_robot(organization_a, name=name, location={"facility": "Hall A", "cell": cell})
        with tenant(organization_a):
            robot_report_status(robot_id=robot.pk, status="running")
        return robot

    return make


@pytest.fixture
def robot(make_placed):
    return make_placed("Welder", "C1")


@pytest.fixture
def operator(organization_a, make_user):
    return make_user(organization_a, "operator")


@pytest.fixture
def client(operator, client_for):
    return client_for(operator)


@pytest.fixture
def stops_of(tenant, organization_a):
    def read(robot):
        with tenant(organization_a):
            return RobotCommand.objects.filter(robot=robot, type="emergency_stop").count()

    return read


def page_of(robot, name="robot_page"):
    return reverse(f"admin:{name}", args=[robot.pk])


def place_url(**query):
    pairs = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{reverse('admin:place_stop_page')}?{pairs}"


def test_robot_page_leads_to_stop_that_is_confirmed(robot, client, stops_of):
    assert page_of(robot, "robot_stop_page") in client.get(page_of(robot)).content.decode()
    question = client.get(page_of(robot, "robot_stop_page")).content.decode()

    assert "not a safety device" in question
    assert "Request stop of Welder?" in question
    assert stops_of(robot) == 0


def test_stop_latches_robot_and_page_offers_reset(robot, client, stops_of):
    response = client.post(page_of(robot, "robot_stop_page"), {"reason": "Door open"}, follow=True)

    page = response.content.decode()
    assert stops_of(robot) == 1
    assert "No command is sent to this robot until it is reset." in page
    assert "Door open" in page
    assert f"{page_of(robot, 'robot_command_page')}?type=reset" in page


def test_reset_releases_latch(robot, client, organization_a, tenant):
    client.post(page_of(robot, "robot_stop_page"), {})
    form = {"form_token": "a" * 20, "priority": "normal", "_confirm": "1"}

    response = client.post(f"{page_of(robot, 'robot_command_page')}?type=reset", form)

    assert response.status_code == 302
    with tenant(organization_a):
        assert Robot.objects.get(pk=robot.pk).stop_latched_at is None


def test_stop_of_retired_robot_shows_reason(robot, client, organization_a, tenant, stops_of):
    with tenant(organization_a):
        Robot.objects.filter(pk=robot.pk).update(is_active=False)

    response = client.post(page_of(robot, "robot_stop_page"), {})

    assert response.status_code == 400
    assert "retired" in response.content.decode()
    assert stops_of(robot) == 0


def test_stop_with_too_long_reason_shows_error(robot, client, stops_of):
    response = client.post(page_of(robot, "robot_stop_page"), {"reason": "x" * 501})

    assert response.status_code == 400
    assert 'id="id_reason_error"' in response.content.decode()
    assert stops_of(robot) == 0


def test_stop_of_cell_reaches_its_robots_alone(robot, make_placed, client, stops_of):
    neighbour, other = make_placed("Gluer", "C1"), make_placed("Painter", "C2")

    facility = client.get(place_url(facility="Hall A")).content.decode()
    response = client.post(place_url(facility="Hall A", cell="C1"), {}, follow=True)

    assert "facility=Hall+A&amp;cell=C1" in facility
    assert [stops_of(one) for one in (robot, neighbour, other)] == [1, 1, 0]
    page = response.content.decode()
    assert "Reset these 2 robots" in page


def test_stop_of_facility_reaches_all_its_robots(robot, make_placed, client, stops_of):
    other = make_placed("Painter", "C2")

    client.post(place_url(facility="Hall A"), {})

    assert [stops_of(one) for one in (robot, other)] == [1, 1]


def test_place_page_lists_facilities_with_robots(robot, client, organization_a, make_facility):
    make_facility(organization_a, "Empty hall")

    page = client.get(reverse("admin:place_stop_page")).content.decode()

    assert "Hall A" in page
    assert "Empty hall" not in page


@pytest.mark.parametrize("query", [{"facility": "No such"}, {"facility": "Hall A", "cell": "C9"}])
def test_place_without_robots_gets_404(query, robot, client):
    assert client.get(place_url(**query)).status_code == 404
    assert client.post(place_url(**query), {}).status_code == 404


def test_place_of_other_organization_gets_404(
    client, organization_b, make_facility, make_robot, robot
):
    make_facility(organization_b, "Secret hall")
    make_robot(organization_b, location={"facility": "Secret hall"})

    assert client.get(place_url(facility="Secret hall")).status_code == 404


@pytest.mark.parametrize("name", ["robot_stop_page", "robot_control_page"])
def test_robot_of_other_organization_gets_404(name, client, organization_b, make_robot):
    robot = make_robot(organization_b)

    assert client.get(page_of(robot, name)).status_code == 404
    assert client.post(page_of(robot, name), {}).status_code == 404


def test_viewer_gets_no_stop_button_and_403(robot, organization_a, make_user, client_for, stops_of):
    viewer = client_for(make_user(organization_a, "viewer"))

    assert "Request stop" not in viewer.get(page_of(robot)).content.decode()
    assert viewer.post(page_of(robot, "robot_stop_page"), {}).status_code == 403
    assert viewer.post(place_url(facility="Hall A"), {}).status_code == 403
    assert stops_of(robot) == 0


def test_second_operator_takes_over_and_releases_control(
    robot, operator, organization_a, make_user, client_for, tenant
):
    with tenant(organization_a):
        command_create(robot=robot, type="start", user=operator)
    other = make_user(organization_a, "operator")
    second = client_for(other)

    question = second.get(page_of(robot, "robot_control_page")).content.decode()
    taken = second.post(page_of(robot, "robot_control_page"), {}, follow=True).content.decode()
    released = second.post(page_of(robot, "robot_control_page"), {"release": "1"}, follow=True)

    assert f"Take over control from {operator}?" in question
    assert "You control this robot until" in taken
    assert "controls this robot until" not in released.content.decode()


def test_release_by_other_user_shows_who_controls_the_robot(
    robot, operator, organization_a, make_user, client_for, tenant
):
    with tenant(organization_a):
        command_create(robot=robot, type="start", user=operator)
    second = client_for(make_user(organization_a, "operator"))

    response = second.post(page_of(robot, "robot_control_page"), {"release": "1"}, follow=True)

    assert f"{operator} controls the robot" in response.content.decode()


@pytest.fixture
def unapproved(robot, operator, organization_a, tenant):
    """A firmware update that waits for the approval of a second user."""
    with tenant(organization_a):
        command = command_create(
            robot=robot, type="update_firmware", payload={"version": "2"}, user=operator
        )
    assert command.status == "pending_approval"
    return command


@pytest.fixture
def approving(organization_a, tenant):
    """The organization asks for a second approval."""
    from apps.organizations.models import Organization

    with tenant(organization_a):
        settings = {**organization_a.settings, "second_approval_required": True}
        Organization.objects.filter(pk=organization_a.pk).update(settings=settings)


def act_url(command, name):
    return reverse("admin:robots_robotcommand_act", args=[command.pk, name])


@pytest.mark.parametrize(("name", "status"), [("approve", "pending"), ("reject", "rejected")])
def test_second_user_decides_on_command(
    name, status, approving, unapproved, organization_a, make_user, client_for, client, tenant
):
    page = reverse("admin:robots_robotcommand_change", args=[unapproved.pk])
    second = client_for(make_user(organization_a, "operator"))

    own, others = client.get(page).content.decode(), second.get(page).content.decode()
    client.post(act_url(unapproved, name), {"_confirm": "1"})
    with tenant(organization_a):
        assert RobotCommand.objects.get(pk=unapproved.pk).status == "pending_approval"
    second.post(act_url(unapproved, name), {"_confirm": "1"})

    assert act_url(unapproved, name) in others
    assert act_url(unapproved, name) not in own
    with tenant(organization_a):
        assert RobotCommand.objects.get(pk=unapproved.pk).status == status


def test_home_leads_to_stop_of_facility(robot, client):
    page = client.get("/admin/").content.decode()

    assert f"{reverse('admin:place_stop_page')}?facility=Hall%20A" in page


def test_stop_pages_query_count(robot, client, django_assert_max_num_queries):
    for url in (page_of(robot, "robot_stop_page"), place_url(facility="Hall A")):
        client.get(url)
        with django_assert_max_num_queries(12):
            client.get(url)
