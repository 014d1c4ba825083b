"""Open alerts in the header of every page."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from apps.alerts.models import NotificationPreference

PART = "data-alert-counts"


def count_of(html):
    found = re.search(r'data-count="(\d+)"', html)
    return found and int(found[1])


@pytest.mark.parametrize(
    "address",
    ["/admin/", "/admin/robots/robot/", "/admin/profile/", "/admin/no-such-page/"],
)
def test_header_shows_open_alerts_on_every_page(
    address, organization_a, alice, make_alert, client_for
):
    client = client_for(alice)
    assert count_of(client.get(address).content.decode()) == 0
    make_alert(organization_a, severity="critical")
    html = client.get(address).content.decode()
    assert count_of(html) == 1
    assert "1 open alert: 1 critical" in html


def test_counts_part_is_what_the_header_shows(organization_a, alice, make_alert, client_for):
    make_alert(organization_a, severity="warning")
    client = client_for(alice)
    part = client.get(reverse("admin:alert_counts_part"))
    assert part.status_code == 200
    assert part.content.decode().strip() in client.get("/admin/").content.decode()
    assert client.post(reverse("admin:alert_counts_part")).status_code == 405


def test_role_without_alerts_sees_no_counts(organization_a, make_user, make_alert, client_for):
    make_alert(organization_a)
    limited = make_user(organization_a, role="custom", permissions=["robot.view"])
    client = client_for(limited)
    assert PART not in client.get("/admin/").content.decode()
    assert client.get(reverse("admin:alert_counts_part")).status_code == 403


def test_sound_is_off_until_the_user_enables_it(organization_a, alice, bob, client_for, tenant):
    client = client_for(alice)
    assert "data-sound" not in client.get("/admin/").content.decode()
    page = reverse("admin:own_notifications_page")
    answer = client.post(page, {"min_severity": "info", "has_sound": "on"})
    assert answer.status_code == 302
    assert "data-sound" in client.get("/admin/").content.decode()
    assert "data-sound" not in client_for(bob).get("/admin/").content.decode()
    client.post(page, {"min_severity": "info"})
    with tenant(organization_a):
        assert not NotificationPreference.objects.get(user=alice).has_sound
