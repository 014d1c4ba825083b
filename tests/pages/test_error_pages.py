"""Error pages keep the menu for signed-in users."""

from __future__ import annotations

import uuid

import pytest
from django.urls import reverse

from tests.support.platform import enter

MENU = 'href="/admin/robots/robot/"'


@pytest.fixture
def pages(organization_a):
    return {
        403: reverse("admin:accounts_user_add"),
        404: f"/admin/robots/robot/{uuid.uuid4()}/",
    }


@pytest.mark.parametrize("status", [403, 404])
def test_error_page_of_user_has_menu(status, pages, bob, client_for):
    response = client_for(bob).get(pages[status])

    assert response.status_code == status
    assert "no-store" in response["Cache-Control"]
    html = response.content.decode()
    assert MENU in html
    assert "Go to the home page" in html
    assert "Europe/Berlin" in html  # the user's timezone, not UTC


def test_unknown_address_has_menu(bob, client_for):
    response = client_for(bob).get("/admin/nothing-here/")

    assert response.status_code == 404
    assert MENU in response.content.decode()


def test_foreign_object_has_the_page_of_a_missing_one(
    alice, charlie, organization_b, make_robot, client_for
):
    foreign = make_robot(organization_b)
    client = client_for(alice)

    def text(pk):
        html = client.get(f"/admin/robots/robot/{pk}/").content.decode()
        return html.partition("<main")[2].partition("</main>")[0]

    assert text(foreign.pk) == text(uuid.uuid4())
    assert "does not exist" in text(foreign.pk)


def test_banner_of_entered_organization_stays(organization_a, root, client_for):
    client = enter(client_for(root), organization_a)

    html = client.get("/admin/nothing-here/").content.decode()
    assert "You are working in <strong>Acme</strong>" in html


def test_error_page_of_anonymous_client_has_no_menu(client):
    response = client.get("/nothing-here/")

    assert response.status_code == 404
    assert "/admin/robots/" not in response.content.decode()


def test_page_without_database_is_plain(monkeypatch, bob, client_for):
    from urfmp.pages.views import error_pages

    client = client_for(bob)

    def fail(*_, **__):
        raise RuntimeError

    monkeypatch.setattr(error_pages, "render_page", fail)
    response = client.get("/admin/nothing-here/")

    assert response.status_code == 404
    assert MENU not in response.content.decode()
