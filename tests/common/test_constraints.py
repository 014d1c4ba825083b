"""Forms and the API report a duplicate value under its field."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.services.users import user_create
from apps.organizations.models import Facility
from apps.robots.models import Robot
from urfmp.common.db.constraints import errors_by_field

SERIAL, NAME = (
    "A robot with this serial number already exists.",
    "A facility with this name already exists.",
)
FORM = {"vendor": "kuka", "lifecycle": "active", "name": "Twin"}


@pytest.fixture
def client(alice, organization_a, client_for, make_robot, make_facility):
    make_robot(organization_a, serial_number="SN-1")
    make_robot(organization_a, serial_number="SN-2", name="Second")
    make_facility(organization_a, "Hall 1")
    return client_for(alice)


def problem(answer):
    assert answer.status_code == 400, answer.content
    return answer.json()["errors"]


def test_duplicate_in_api_names_field(client, organization_a, tenant):
    def post(path, body):
        return client.post(f"/api/v1/{path}", body, content_type="application/json")

    robot = {"name": "R", "vendor": "kuka", "serial_number": "SN-1", "configuration": {"axes": 6}}
    assert problem(post("robots", robot)) == {"serial_number": [SERIAL]}
    assert problem(post("facilities", {"name": "Hall 1"})) == {"name": [NAME]}
    with tenant(organization_a):
        second = Robot.objects.get(serial_number="SN-2")
    answer = client.patch(
        f"/api/v1/robots/{second.pk}",
        {"serial_number": "SN-1"},
        content_type="application/json",
        headers={"if-match": '"1"'},
    )
    assert problem(answer) == {"serial_number": [SERIAL]}


@pytest.mark.parametrize(
    ("model", "form", "field"),
    [
        (Robot, {**FORM, "serial_number": "SN-1"}, "serial_number"),
        (Facility, {"name": "Hall 1"}, "name"),
        (User, {"email": "Alice@ACME.example", "role": "viewer"}, "email"),
    ],
)
def test_duplicate_in_admin_form_names_field(model, form, field, client):
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
    errors = client.post(address, form).context["adminform"].form.errors
    assert set(errors) == {field}
    assert len(errors[field]) == 1


def test_duplicate_email_in_other_case_names_field(alice, organization_a, tenant):
    with tenant(organization_a), pytest.raises(ValidationError) as refused:
        user_create(organization_id=organization_a.id, email="ALICE@acme.example", role="viewer")
    assert refused.value.message_dict == {"email": ["This e-mail address is already in use."]}


def test_errors_by_field_without_single_field_is_unchanged(organization_a):
    fault = ValidationError("It does not fit.")
    error = ValidationError({"__all__": [fault], "name": ["Too long."]})
    found = errors_by_field(Robot(organization_id=organization_a.id), error)
    assert set(found) == {"__all__", "name"}
