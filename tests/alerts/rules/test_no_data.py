"""Rules on metrics of robots that send no data."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from apps.alerts.models import Alert
from apps.robots.models import Robot
from apps.telemetry.services.rollups import roll_up

pytestmark = pytest.mark.django_db


def change(plant, **columns):
    with plant.tenant(plant.organization):
        Robot.objects.filter(pk=plant.robot.pk).update(**columns)


def send(plant, sample, **fields):
    """Store a point that the rollups have reached."""
    plant.send(sample, **fields)
    roll_up(plant.organization.id)


def titles(plant):
    return [(alert[0], alert[2]) for alert in plant.alerts()]


def test_missing_data_shows_as_state_and_ends_with_the_next_point(plant):
    rule = plant.rule(no_data_seconds=60)
    send(plant, (0, 20.0))
    plant.clock(59)
    assert plant.state(rule) in {None, "normal"}
    plant.clock(60)
    assert plant.state(rule) == "no_data"
    assert plant.alerts() == []
    plant.send((70, 21.0))
    assert plant.state(rule) == "normal"
    plant.clock(131)
    assert plant.state(rule) == "no_data"


def test_missing_data_keeps_an_open_alert(plant):
    rule = plant.rule(no_data_seconds=60)
    send(plant, (0, 90.0))
    plant.clock(100)
    assert (plant.state(rule), titles(plant)) == ("firing", [("Hot", "new")])


def test_missing_data_resolves_an_open_alert(plant):
    rule = plant.rule(no_data_seconds=60, no_data="resolve")
    send(plant, (0, 90.0))
    plant.clock(59)
    assert titles(plant) == [("Hot", "new")]
    plant.clock(60)
    assert (plant.state(rule), titles(plant)) == ("no_data", [("Hot", "resolved")])


def test_missing_data_opens_an_alert_that_a_point_resolves(plant):
    plant.rule(no_data_seconds=60, no_data="alert")
    send(plant, (0, 20.0))
    plant.clock(59)
    assert plant.alerts() == []
    plant.clock(60)
    assert titles(plant) == [("Hot", "new")]
    with plant.tenant(plant.organization):
        message = Alert.objects.get().message
    assert message == "temperature is above 80, or no data for 1 min. Data is missing."
    plant.send((70, 21.0))
    assert titles(plant) == [("Hot", "resolved")]


def test_missing_data_of_an_offline_robot_opens_its_alert_once_it_is_online(plant):
    plant.rule(no_data_seconds=60, no_data="alert")
    send(plant, (0, 20.0))
    change(plant, status="offline")
    plant.clock(100)
    assert plant.alerts() == []
    change(plant, status="online")
    plant.clock(110)
    assert titles(plant) == [("Hot", "new")]


def test_robot_that_never_sent_the_metric_is_normal(plant):
    rule = plant.rule(no_data_seconds=60, no_data="alert")
    send(plant, (0, 1.0), metric="other")
    plant.clock(100)
    assert (plant.state(rule), plant.alerts()) == (None, [])


@pytest.mark.parametrize("values", [{"no_data": "alert"}, {"no_data_seconds": 0}, {"no_data": "x"}])
def test_incomplete_option_is_rejected(plant, values):
    with pytest.raises(ValidationError):
        plant.rule(**values)
