"""Rules that vendor profiles propose."""

from __future__ import annotations

import pytest

from apps.alerts.models import AlertRule
from apps.alerts.protocols.conditions import parse_condition
from apps.alerts.selectors.built_in_rules import built_in_rules
from apps.alerts.services.rules.rules import alert_rule_update, built_in_rules_add
from apps.robots.selectors.profiles import VENDOR_PROFILES

pytestmark = pytest.mark.django_db
ALL = {"Robot in error", "Robot is offline", "Maintenance is overdue"}
STOPS = {"Emergency stop", "Protective stop"}
ARM = ALL | STOPS | {"Motor is hot", "Controller is hot"}
MOBILE = ALL | STOPS | {"Battery is low", "Robot is off its path"}


@pytest.mark.parametrize("vendor", VENDOR_PROFILES)
def test_every_profile_proposes_valid_rules(vendor):
    rules = built_in_rules([vendor])
    assert len(rules) >= 5
    for rule in rules:
        parse_condition(rule["kind"], rule["severity"], rule["condition"])


def test_rules_of_the_robots_vendors_are_added_once(
    organization_a, alice, client_for, make_robot, tenant
):
    make_robot(organization_a, vendor="universal_robots")
    client = client_for(alice)
    path = "/admin/alerts/alertrule/add-built-in/"
    assert client.post(path).status_code == 302
    with tenant(organization_a):
        assert set(AlertRule.objects.values_list("name", flat=True)) == ARM
        hot = AlertRule.objects.get(name="Motor is hot")
        assert [clause["threshold"] for clause in hot.condition["clauses"]] == [80.0] * 6
        alert_rule_update(hot, is_enabled=False)
    make_robot(organization_a, vendor="mir")
    assert client.post(path).status_code == 302
    with tenant(organization_a):
        assert built_in_rules_add(organization_id=organization_a.id) == []
        assert set(AlertRule.objects.values_list("name", flat=True)) == ARM | MOBILE
        assert not AlertRule.objects.get(name="Motor is hot").is_enabled


def test_viewer_cannot_add_built_in_rules(bob, client_for):
    assert client_for(bob).post("/admin/alerts/alertrule/add-built-in/").status_code == 403


def test_hot_joint_opens_one_alert_for_the_robot(plant):
    with plant.tenant(plant.organization):
        type(plant.robot).objects.update(vendor="universal_robots")
        built_in_rules_add(organization_id=plant.organization.id)
    plant.send((0, 85.0), metric="temperature.motor.joint3")
    plant.send((1, 40.0), (31, 41.0), metric="temperature.motor.joint1")
    plant.clock(36)
    assert plant.alerts() == [("Motor is hot", "warning", "new", 0, 85.0, 1)]
    plant.send((40, 96.0), metric="temperature.motor.joint1")
    assert plant.alerts() == [("Motor is hot", "error", "new", 0, 96.0, 1)]
