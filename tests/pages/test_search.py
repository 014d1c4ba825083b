"""Search boxes of long lists."""

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
def test_alert_is_found_by_words_and_robot(fleet, alice, client_for, words):
    assert found(client_for(alice), ALERTS, q=words) == [str(fleet.a.alert)]


@pytest.mark.parametrize("words", ["secret", "secret robot", "nowhere", "100%", "_"])
def test_search_without_match_finds_nothing(fleet, alice, client_for, words):
    client = client_for(alice)
    assert found(client, ALERTS, q=words) == found(client, TASKS, q=words) == []


def test_task_is_found_by_serial_number(fleet, alice, client_for):
    number = fleet.a.robot.serial_number
    assert found(client_for(alice), TASKS, q=number) == [str(fleet.a.task)]


def test_search_covers_newest_filtered_rows(
    fleet, alice, client_for, make_alert, tenant, monkeypatch
):
    with tenant(fleet.a.organization):
        Alert.objects.filter(pk=fleet.a.alert.pk).update(created_at=timezone.now() - YEAR)
    monkeypatch.setattr(search, "_MAX_ROWS_SEARCHED", 1)
    newer = make_alert(fleet.a.organization, title="newer alert", severity="info")
    client = client_for(alice)

    assert found(client, ALERTS, q="alert") == [str(newer)]
    assert found(client, ALERTS, q="alert", severity__exact="error") == [str(fleet.a.alert)]
    assert found(client, ALERTS, q="open robot") == [str(fleet.a.alert)]
