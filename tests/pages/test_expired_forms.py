"""Forms whose token or session has expired keep their text, and only own forms do."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from apps.maintenance.models import MaintenanceTask
from urfmp.pages.expired_form import _labelled_texts

pytestmark = pytest.mark.django_db
OWN = {"sec-fetch-site": "same-origin"}
TASK = {
    "title": "Grease joint 4",
    "type": "lubrication",
    "priority": "medium",
    "description": "Slowly\n\n<b>now</b>",
}
ADD = "/admin/maintenance/maintenancetask/add/"


@pytest.fixture
def signed_in(alice, client_for):
    client = client_for(alice, enforce_csrf_checks=True)
    client.get("/admin/")  # sets the cookie of the token
    return client


def with_token(client, fields):
    return {**fields, "csrfmiddlewaretoken": client.cookies[settings.CSRF_COOKIE_NAME].value}


def submit_again(client, response):
    token = str(response.context["csrf_token"])
    return client.post(
        response.context["action"],
        {**dict(response.context["fields"]), "csrfmiddlewaretoken": token},
        headers=OWN,
    )


def test_form_with_stale_token_is_kept_and_can_be_submitted_again(
    signed_in, tenant, alice, organization_a
):
    response = signed_in.post(ADD, {**TASK, "csrfmiddlewaretoken": "x" * 64}, headers=OWN)

    page = response.content.decode()
    assert response.status_code == 403
    assert "Your text is kept" in page
    assert alice.email in page
    assert "&lt;b&gt;now&lt;/b&gt;" in page
    assert "Your role does not include" not in page
    # Without the scripts the theme's dialogs would cover the text.
    assert "urfmp/js/expressions" in page
    assert "urfmp/css/theme" in page
    with tenant(organization_a):
        assert not MaintenanceTask.objects.exists()

    assert submit_again(signed_in, response).status_code == 302
    with tenant(organization_a):
        task = MaintenanceTask.objects.get()
        assert (task.title, task.description.split()) == (
            "Grease joint 4",
            ["Slowly", "<b>now</b>"],
        )


def test_form_of_an_expired_session_is_kept(signed_in, alice, client_for):
    fields = with_token(signed_in, TASK)
    del signed_in.cookies[settings.SESSION_COOKIE_NAME]

    response = signed_in.post(ADD, fields, headers=OWN)

    page = response.content.decode()
    assert response.status_code == 403
    assert "session has expired" in page
    assert "Grease joint 4" in page
    assert f"{reverse('admin:login')}?next=" in page


def test_action_with_stale_token_is_not_run_until_submitted_again(fleet, alice, client_for):
    client = client_for(alice, enforce_csrf_checks=True)
    client.get("/admin/")
    url = reverse("admin:alerts_alert_act", args=[fleet.a.alert.pk, "acknowledge"])

    response = client.post(url, {"next": "/admin/"}, headers=OWN)
    assert response.status_code == 403
    assert b"Submit again" in response.content

    assert submit_again(client, response)["location"] == "/admin/"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"referer": "https://evil.example/x"},
        {"origin": "null"},
        {},
    ],
)
def test_form_of_another_site_is_not_offered_again(signed_in, headers):
    response = signed_in.post(ADD, TASK, headers=headers)

    assert response.status_code == 403
    assert b"Grease joint 4" not in response.content
    assert b"Submit again" not in response.content


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/admin/login/", {"email": "a@x.example", "password": "hunter2 hunter2"}),
        ("/admin/password_change/", {"old_password": "hunter2 hunter2", "new_password1": "x"}),
        ("/admin/second-factor/", {"code": "hunter2 hunter2"}),
        ("/admin/choose-password/", {"token": "hunter2 hunter2"}),
        (ADD, {**TASK, "_step_up_password": "hunter2 hunter2"}),
    ],
)  # fmt: skip
def test_passwords_and_codes_are_never_written_into_the_page(signed_in, path, fields):
    response = signed_in.post(path, fields, headers=OWN)

    assert response.status_code == 403
    assert b"hunter2" not in response.content
    assert b"are not kept" in response.content


def test_api_answers_with_problem_details(signed_in):
    response = signed_in.post("/api/v1/robots", {}, "application/json", headers=OWN)

    assert response["Content-Type"] == "application/problem+json"


def test_anonymous_logout_is_no_error():
    client = Client()
    assert client.post(reverse("admin:logout")).status_code == 302


def test_kept_texts_have_labels():
    fields = [
        ("title", "Grease"),
        ("due_at_0", "2026-11-29"),
        ("due_at_1", "08:00"),
        ("_save", "Save"),
        ("next", "/admin/"),
    ]

    assert _labelled_texts(fields) == [("Title", "Grease"), ("Due at", "2026-11-29 08:00")]
