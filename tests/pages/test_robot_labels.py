"""Labels of robots: their sheet, and the action of the list that leads to it."""

from __future__ import annotations

import uuid

import pytest
import segno
from django.urls import reverse

pytestmark = pytest.mark.django_db
URL = "/admin/robots/labels/"
LIST = "/admin/robots/robot/"


def test_action_of_the_list_leads_to_the_labels_of_the_selection(
    organization_a, bob, make_robot, client_for, settings
):
    settings.WEB_ORIGIN = "https://fleet.example"
    robots = [make_robot(organization_a, name=name) for name in ("B", "A", "C")]
    client = client_for(bob)
    keys = [str(robot.pk) for robot in robots[:2]]

    response = client.post(LIST, {"action": "print_labels", "_selected_action": keys})

    assert response.status_code == 302
    labels = client.get(response["location"]).context["labels"]
    assert [label.robot.name for label in labels] == ["A", "B"]
    page = reverse("admin:robot_scanned_page", args=[labels[0].robot.pk])
    expected = segno.make_qr(f"https://fleet.example{page}", error="q")
    assert labels[0].qr_code == expected.svg_data_uri(scale=3, light="#fff")


def test_sheet_shows_no_robot_of_another_organization(
    organization_a, organization_b, bob, make_robot, client_for
):
    own = make_robot(organization_a, name="own")
    other = make_robot(organization_b, name="secret")
    query = {"robot": [own.pk, other.pk, uuid.uuid4(), "x", "\u0416"]}
    response = client_for(bob).get(URL, query)
    assert [label.robot.name for label in response.context["labels"]] == ["own"]
    assert "secret" not in response.content.decode()


def test_sheet_without_robots_says_how_to_select_them(bob, client_for):
    page = client_for(bob).get(URL)
    assert page.status_code == 200
    assert "Select robots" in page.content.decode()


def test_action_rejects_too_many_robots(monkeypatch, organization_a, bob, make_robot, client_for):
    monkeypatch.setattr("apps.robots.admin.robots._MAX_LABELS", 1)
    keys = [str(make_robot(organization_a).pk) for _ in range(2)]
    response = client_for(bob).post(LIST, {"action": "print_labels", "_selected_action": keys})
    assert response.status_code == 302
    assert "labels" not in response["location"]


def test_role_without_robots_gets_no_labels(organization_a, make_user, client_for):
    assert client_for(make_user(organization_a, "custom")).get(URL).status_code == 403
