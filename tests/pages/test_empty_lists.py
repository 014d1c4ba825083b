"""Empty lists say which rows appear in them, and offer to add one to users who may."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.urls import reverse

from urfmp.common.admin import OrganizationScopedAdmin

pytestmark = pytest.mark.django_db
OWN = [a for a in admin.site._registry.values() if isinstance(a, OrganizationScopedAdmin)]
ROBOTS = "/admin/robots/robot/"


@pytest.mark.parametrize("model_admin", OWN, ids=lambda each: each.opts.model_name)
def test_empty_list_names_its_rows(model_admin):
    # The list of the own organization is never empty.
    if model_admin.opts.model_name != "organization":
        assert re.search(r"appears? here", model_admin.empty_text)


def test_empty_list_offers_to_add(alice, bob, client_for):
    add = reverse("admin:robots_robot_add")
    page = client_for(alice).get(ROBOTS).content.decode()
    assert "No robots here" in page
    assert "Registered robots appear here" in page
    assert f'href="{add}' in page
    assert "yielded" not in page

    page = client_for(bob).get(ROBOTS).content.decode()
    assert "Registered robots appear here" in page
    assert add not in page


def test_search_without_match_offers_all_rows(fleet, alice, client_for):
    page = client_for(alice).get(ROBOTS, {"q": "nowhere"}).content.decode()
    assert "No robots match your search or filters" in page
    assert 'href="?">Show all' in page
    assert "appear here" not in page


def test_robots_in_lists_link_to_their_page(fleet, alice, make_user, client_for):
    address = reverse("admin:robot_page", args=[fleet.a.robot.pk])
    tasks, alerts = "/admin/maintenance/maintenancetask/", "/admin/alerts/alert/"
    for path in (tasks, alerts):
        assert f'href="{address}">open robot</a>' in client_for(alice).get(path).content.decode()

    custom = make_user(fleet.a.organization, "custom", permissions=["alert.view"])
    page = client_for(custom).get(alerts).content.decode()
    assert "open robot" in page
    assert address not in page
