"""Names must be a single line on every path, and stored ones cannot break e-mail."""

from __future__ import annotations

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services.invitations import invitation_create
from apps.accounts.services.users import user_create, user_update
from apps.organizations.models import Facility, Organization
from apps.organizations.services.facilities import facility_create, facility_update
from apps.organizations.services.organizations import organization_create, organization_update
from urfmp.common.mail import mail_send

pytestmark = pytest.mark.django_db

BROKEN = [
    "Acme\nBcc: all@x.example",
    "Acme\r\nInc",
    "Ac\x1b[31mme",
    "Ac\u2028me",
    "Ac\x85me",
    "Ac\x7fme",
]
MESSAGE = "Line breaks and control characters are not allowed."


@pytest.mark.parametrize("name", BROKEN)
def test_services_reject_multiline_name(name, organization_a, alice, tenant, make_facility):
    hall = make_facility(organization_a)
    with tenant(organization_a):
        for call in (
            lambda: organization_update(organization_a, name=name),
            lambda: facility_create(organization_id=organization_a.pk, name=name),
            lambda: facility_update(hall, name=name),
            lambda: user_update(alice, first_name=name),
            lambda: user_create(
                organization_id=organization_a.pk, email="kim@plant.example", last_name=name
            ),
        ):
            with pytest.raises(ValidationError, match=MESSAGE):
                call()
    with pytest.raises(ValidationError, match=MESSAGE):
        organization_create(name=name, slug="broken")


def test_api_multiline_name_gets_400(organization_a, alice, client_for):
    client = client_for(alice)
    for method, path, field in (
        ("post", "facilities", "name"),
        ("patch", f"organizations/{organization_a.pk}", "name"),
        ("patch", f"users/{alice.pk}", "first_name"),
    ):
        answer = getattr(client, method)(
            f"/api/v1/{path}", {field: "Hall\n1"}, content_type="application/json"
        )
        assert (answer.status_code, answer.json()["errors"]) == (400, {field: [MESSAGE]}), path


def test_admin_rejects_multiline_name(organization_a, alice, client_for, tenant):
    client = client_for(alice)
    answer = client.post(reverse("admin:organizations_facility_add"), {"name": "Hall\x0b1"})
    assert MESSAGE in answer.content.decode()
    with tenant(organization_a):
        assert not Facility.objects.exists()


def test_invitation_accept_multiline_name_gets_400(
    organization_a, alice, tenant, run_jobs, newest_code
):
    with tenant(organization_a):
        invitation_create(
            organization_id=organization_a.pk, email="kim@plant.example", invited_by=alice
        )
    run_jobs()
    body = {"token": newest_code(), "password": "seven quiet green herons"}
    answer = Client().post(
        "/api/v1/auth/invitation/accept",
        {**body, "first_name": "Kim\nLee"},
        content_type="application/json",
    )
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"first_name"})
    with tenant(organization_a):
        assert not User.objects.filter(email="kim@plant.example").exists()


def test_names_in_any_script_are_accepted(organization_a, tenant):
    with tenant(organization_a):
        for name in ("Zürich - Halle 3", "भारत क्\u200dष", "工場", "Müller-Ruiz 🤖"):
            assert facility_create(organization_id=organization_a.pk, name=name).name == name


def test_database_rejects_multiline_name(organization_a, tenant):
    with tenant(organization_a), pytest.raises(IntegrityError, match="organizations_name_form"):
        Organization.objects.update(name="Acme\r\nBcc: all@x.example\u2028 Works")


@pytest.mark.parametrize("name", BROKEN)
def test_mail_subject_is_single_line(name, organization_a, alice):
    context = {"organization": organization_a, "user": alice, "link": "", "token": "", "hours": 1}
    context["expires_at"] = timezone.now()
    mail_send(
        to="kim@plant.example", subject=name, template="mail/password_reset.txt", context=context
    )
    subject = str(mail.outbox[-1].message()["Subject"])
    assert subject.isprintable()
    assert subject.startswith("[URFMP]")
