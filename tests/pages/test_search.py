"""What the search boxes of long lists find."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.alerts.models import Alert
from urfmp.common.admin import search

pytestmark = pytest.mark.django_db
YEAR = timedelta(days=365)
ALERTS, TASKS = "/admin/alerts/alert/", "/admin/maintenance/maintenancetask/"


def found(client, path, **parameters):
    page = client.get(path, parameters)
    assert page.status_code == 200
    return [str(row) for row in page.context["cl"].result_list]


@pytest.mark.parametrize("words", ["OPEN alert", "alert open", "open robot", "90"])
def test_alerts_are_found_by_words_and_by_their_robot(fleet, alice, sign_in, words):
    assert found(sign_in(alice), ALERTS, q=words) == [str(fleet.a.alert)]


@pytest.mark.parametrize("words", ["secret", "secret robot", "nowhere", "100%", "_"])
def test_nothing_else_is_found(fleet, alice, sign_in, words):
    client = sign_in(alice)
    assert found(client, ALERTS, q=words) == found(client, TASKS, q=words) == []


def test_tasks_are_found_by_their_robots_serial_number(fleet, alice, sign_in):
    number = fleet.a.robot.serial_number
    assert found(sign_in(alice), TASKS, q=number) == [str(fleet.a.task)]


def test_words_are_looked_for_in_the_newest_rows_that_the_filters_leave(
    fleet, alice, sign_in, make_alert, inside, monkeypatch
):
    with inside(fleet.a.organization):
        Alert.objects.filter(pk=fleet.a.alert.pk).update(created_at=timezone.now() - YEAR)
    monkeypatch.setattr(search, "_NEWEST", 1)
    newer = make_alert(fleet.a.organization, title="newer alert", severity="info")
    client = sign_in(alice)

    assert found(client, ALERTS, q="alert") == [str(newer)]
    assert found(client, ALERTS, q="alert", severity__exact="error") == [str(fleet.a.alert)]
    assert found(client, ALERTS, q="open robot") == [str(fleet.a.alert)]
