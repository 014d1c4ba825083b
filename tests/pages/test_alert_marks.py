"""Open alerts of robots in lists, and rules on charts, by role."""

from __future__ import annotations

import pytest
from django.urls import reverse

LIST = "/admin/robots/robot/"


def test_robot_list_shows_worst_open_alert(
    organization_a, organization_b, make_robot, make_alert, make_user, alice, client_for
):
    robot, calm = make_robot(organization_a, name="Hot one"), make_robot(organization_a)
    make_alert(organization_a, robot=robot, severity="warning", title="Warm")
    make_alert(organization_a, robot=robot, severity="critical")
    make_alert(organization_b, robot=make_robot(organization_b), severity="critical")
    html = client_for(alice).get(LIST).content.decode()
    assert html.count("2 alerts, worst: Critical") == 1
    assert f'<span data-marks data-robot-id="{calm.pk}"></span>' in html
    limited = make_user(organization_a, role="custom", permissions=["robot.view"])
    assert "worst: Critical" not in client_for(limited).get(LIST).content.decode()


@pytest.mark.parametrize(
    ("role", "may"), [("admin", True), ("manager", True), ("operator", False), ("viewer", False)]
)
def test_charts_offer_rules_to_roles_that_may_add_them(
    role, may, organization_a, make_robot, make_points, make_user, client_for
):
    robot = make_robot(organization_a, model="UR5e")
    make_points(organization_a, robot, "temperature.ambient", [20.0], "Cel")
    client = client_for(make_user(organization_a, role=role))
    robot_page = reverse("admin:robot_page", args=[robot.pk])
    for address in (robot_page, f"{robot_page}?tab=telemetry", "/admin/telemetry/"):
        html = client.get(address).content.decode()
        assert 'data-title="Temperatures"' in html
        for text in ("data-rule ", "chart_rule.js", 'id="chart-rule-robots"'):
            assert (text in html) is may, (address, text)
