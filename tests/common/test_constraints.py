"""Forms and the API report a duplicate value under its field."""

from __future__ import annotations

import ast
from contextlib import ExitStack

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.services.users import system_user_create, user_create
from apps.organizations.models import Facility
from apps.robots.models import Robot
from tests.support.architecture import source_modules
from tests.support.concurrency import run_concurrently
from urfmp.common.db.constraints import errors_by_field, unique_error_on
from urfmp.common.tenancy.context import audit_action, tenant_transaction

SERIAL, NAME = (
    "A robot with this serial number already exists.",
    "A facility with this name already exists.",
)
ON_SERIAL = ("serial_number", SERIAL, "robots_organization_serial_key")
ON_NAME = ("name", NAME, "facilities_organization_name_key")
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


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("nesting", [(ON_SERIAL, ON_NAME), (ON_NAME, ON_SERIAL)])
@pytest.mark.parametrize(
    ("names", "serials", "expected"),
    [
        (("Hall 1", "Hall 2"), ("SN-9", "SN-9"), {"serial_number": [SERIAL]}),
        (("Hall 1", "Hall 1"), ("SN-8", "SN-9"), {"name": [NAME]}),
    ],
)
def test_unique_error_on_nested_names_field_of_violated_constraint(
    nesting, names, serials, expected, organization_a, make_robot
):
    make_robot(organization_a)  # the first history row creates a chunk, which locks all robots

    def insert(name, serial):
        with ExitStack() as stack:
            for arguments in nesting:
                stack.enter_context(unique_error_on(*arguments))
            stack.enter_context(tenant_transaction(organization_a.id))
            stack.enter_context(audit_action("robots.robot.create"))
            own = {"organization_id": organization_a.id, "name": name}
            Facility(**own).save(force_insert=True)
            Robot(**own, vendor="abb", serial_number=serial).save(force_insert=True)

    outcome = run_concurrently(
        *(lambda pair=pair: insert(*pair) for pair in zip(names, serials, strict=True))
    )
    (error,) = [item for item in outcome if item is not None]
    assert isinstance(error, ValidationError), error
    assert error.message_dict == expected


def test_unique_error_on_passes_violation_of_other_constraint(organization_a, tenant):
    on_email = unique_error_on("email", "Taken.", "users_email_key", "users_email_lower_key")
    with (
        tenant(organization_a),
        pytest.raises(IntegrityError, match="users_one_system_user"),
        on_email,
        transaction.atomic(),
    ):
        system_user_create(organization_id=organization_a.id, slug="other")


def test_unique_error_on_gets_names_of_unique_indexes(db):
    """A misspelled name would turn the error of a concurrent insert into status 500."""
    calls = [
        node
        for source in source_modules().values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "unique_error_on"
    ]
    names = {
        argument.value if isinstance(argument, ast.Constant) else ast.unparse(argument)
        for call in calls
        for argument in call.args[2:]
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE indisunique"
        )
        indexes = {name for (name,) in cursor.fetchall()}
    assert len(calls) >= 5
    assert all(len(call.args) > 2 for call in calls)
    assert names <= indexes
