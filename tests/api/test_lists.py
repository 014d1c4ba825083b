"""Every list, change and POST in the URL configuration follows the conventions."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import django_filters
import pytest
from django.urls import reverse
from django.utils import timezone

from apps.accounts.api.idempotency import IdempotentMixin
from tests.support.api_contract import routes
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer

JSON = "application/json"
# A value that each kind of filter accepts, and one that it rejects.
SAMPLES = {
    django_filters.UUIDFilter: (str(uuid.uuid4()), "x"),
    BooleanFilter: ("true", "maybe"),
    django_filters.IsoDateTimeFilter: ("2026-01-01T00:00:00Z", "soon"),
    django_filters.CharFilter: ("a", "a\x00"),
    django_filters.NumberFilter: ("1", "one"),
}


def api_views():
    """Yield each route of the API with its view and, for view sets, its actions by method."""
    for path, callback in routes():
        if path.startswith("/api/") and hasattr(callback, "cls"):
            yield path, callback, getattr(callback, "actions", None) or {}


# Exports are lists without pages.
LISTS = {
    path: callback
    for path, callback, actions in api_views()
    if actions.get("get") == "list" and callback.cls.pagination_class is not None
}
# They revoke the credential that a repeated request needs, or renew it, which must not be repeated.
# Alertmanager sends no Idempotency-Key: its alerts are known by their fingerprints.
NOT_REPEATED = {"/api/v1/auth/logout", "/api/v1/auth/step-up", "/api/v1/alertmanager"} | {
    f"/api/v1/auth/second-factor{part}" for part in ("", "/confirm", "/recovery-codes", "/remove")
}
CHANGES = {path: callback for path, callback, actions in api_views() if "patch" in actions}


@pytest.fixture
def client(alice, client_for):
    return client_for(alice)


@pytest.fixture
def filled(organization_a, tenant, make_robot, make_facility, make_user, make_key):
    """Create two rows of each model; return the robot for the URLs."""
    from apps.accounts.services.users import system_user_get
    from apps.alerts.services.alerts import alert_report
    from apps.alerts.services.notifications.channels import channel_create, channel_test
    from apps.alerts.services.notifications.routes import Step, route_create
    from apps.alerts.services.notifications.silences import silence_create
    from apps.alerts.services.rules.rules import alert_rule_create
    from apps.maintenance.services.schedules import schedule_create
    from apps.maintenance.services.tasks import task_create
    from apps.maintenance.services.work_requests import work_request_create
    from apps.robots.models import RobotCommand

    for number in range(2):
        robot = make_robot(organization_a)
        make_facility(organization_a, f"Hall {number}")
        make_user(organization_a)
        make_key(organization_a)
        with tenant(organization_a):
            author = system_user_get(organization_id=organization_a.id)
            common = {"organization_id": organization_a.id, "title": "t", "robot": robot}
            task_create(created_by=author, type="cleaning", **common)
            schedule_create(created_by=author, running_hours=9, **common)
            make_parts(organization_a, number)
            work_request_create(robot=robot, title="t")
            alert_report(type="system", severity="info", message="m", **common)
            RobotCommand.objects.create(organization=organization_a, robot=robot, type="start")
            alert_rule_create(
                organization_id=organization_a.id,
                name=f"Rule {number}",
                condition={"clauses": [{"metric": "m"}]},
            )
            channel = channel_create(
                organization_id=organization_a.id, kind="email", name=f"C{number}", roles=["admin"]
            )
            route_create(
                organization_id=organization_a.id, name=f"R{number}", steps=[Step(channel)]
            )
            silence_create(
                organization_id=organization_a.id,
                reason="Work",
                ends_at=timezone.now() + timedelta(hours=number + 1),
            )
            channel_test(channel)
    return robot


def make_parts(organization, number):
    """Create a part with a stock that a task uses."""
    from apps.maintenance.models import MaintenanceTask
    from apps.maintenance.services.part_movements import part_movement_create
    from apps.maintenance.services.parts import part_create, part_stock_create
    from apps.organizations.models import Facility

    common = {"organization_id": organization.id}
    stock = part_stock_create(
        part=part_create(number=f"P-{number}", name="Belt", **common),
        facility=Facility.objects.first(),
        storage_location="Shelf",
        **common,
    )
    part_movement_create(stock=stock, kind="receive", quantity=Decimal(3))
    task = MaintenanceTask.objects.first()
    part_movement_create(stock=stock, kind="use", quantity=Decimal(1), task=task)
    make_checklist(task, number)


def make_checklist(task, number):
    """Create a template, and a task with its step and a file."""
    from apps.maintenance.services.task_files import CheckedFile, task_file_add
    from apps.maintenance.services.tasks import task_create
    from apps.maintenance.services.templates import StepDraft, template_create

    template = template_create(
        organization_id=task.organization_id, title=f"T{number}", type="cleaning",
        steps=[StepDraft("Clean", "pass_fail")],
    )  # fmt: skip
    created = task_create(
        organization_id=task.organization_id, created_by=task.created_by, title="t",
        type="cleaning", template=template, robot=task.robot,
    )  # fmt: skip
    task_file_add(created, CheckedFile("text/plain", b"x"), file_name="x.txt")


def address(path, robot):
    return path.replace("<uuid:robot_id>", str(robot.pk)).replace("^", "").rstrip("$")


class ApiList:
    """One list of the API, requested by an admin."""

    def __init__(self, client, path, robot):
        self.client = client
        self.view = LISTS[path].cls
        self.where = address(path, robot)

    def __call__(self, **parameters):
        answer = self.client.get(self.where, parameters)
        assert answer.status_code == 200, (parameters, answer.content)
        return answer.json()

    def assert_rejected(self, name, value):
        answer = self.client.get(self.where, {name: value})
        assert answer.status_code == 400, (name, value)
        assert name in answer.json()["errors"], (name, value)


@pytest.fixture(params=LISTS)
def ask(request, client, filled, client_for):
    if "platform/" in request.param:
        client = client_for(request.getfixturevalue("root"))
    return ApiList(client, request.param, filled)


def test_list_pagination(ask):
    assert set(ask()) == {"results", "next"}
    assert len(ask(page_size=1)["results"]) <= 1
    for value in ("0", "1001", "x"):
        ask.assert_rejected("page_size", value)
    ask.assert_rejected("cursor", "x")


def test_list_ordering(ask):
    assert ask.view.ordering_fields
    for field in ask.view.ordering_fields:
        for name in (field, f"-{field}"):
            first = ask(ordering=name, page_size=1)
            if first["next"]:
                assert ask.client.get(first["next"]).status_code == 200
    ask.assert_rejected("ordering", "password")


def test_list_fields(ask):
    assert issubclass(ask.view.serializer_class, ScopedModelSerializer)
    fields = ask.view.serializer_class.Meta.fields
    written_only = {n for n, f in ask.view.serializer_class().fields.items() if f.write_only}
    for row in ask()["results"]:
        assert set(row) == set(fields) - written_only
    for name in fields:
        assert all(set(row) <= {name} for row in ask(fields=name)["results"])
    ask.assert_rejected("fields", "password")


def sample(found):
    """Return a value that a filter accepts, and one that it rejects."""
    if "choices" in found.extra:
        return next(iter(found.extra["choices"]))[0], "none-of-them"
    return next(SAMPLES[kind] for kind in type(found).__mro__ if kind in SAMPLES)


def test_list_filters(ask):
    assert ask.view.filterset_class is not None, "A list can be filtered."
    for name, found in ask.view.filterset_class.base_filters.items():
        good, bad = sample(found)
        ask(**{name: good})
        ask.assert_rejected(name, bad)
        if type(found) is not django_filters.CharFilter:
            ask.assert_rejected(name, "")
    ask.assert_rejected("colour", "red")


def test_lists_and_changes_are_collected():
    assert len(LISTS) >= 12
    assert len(CHANGES) >= 5


@pytest.mark.parametrize("path", CHANGES)
def test_change_honours_if_match(path, client, filled, alice, organization_a):
    view = CHANGES[path].cls
    assert issubclass(view, ETagMixin), path
    collection = address(path.partition("/(?P")[0], filled)
    rows = client.get(collection).json()["results"]
    row = next(row for row in rows if row["id"] != str(alice.pk))
    where = f"{collection}/{row['id']}"
    field = next(
        n for n in ("name", "title", "first_name", "reason", "storage_location") if n in row
    )

    def change(value, **headers):
        return client.patch(where, {field: value}, content_type=JSON, headers=headers)

    read = client.get(where)
    etag = read["ETag"]
    assert client.get(where, {"fields": "id"})["ETag"] == etag
    assert client.get(where)["ETag"] == etag
    refused = change("Stale", **{"if-match": '"0"'})
    assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert client.get(where)["ETag"] == etag
    changed = change("Changed", **{"if-match": etag})
    assert changed.status_code == 200, changed.content
    assert changed["ETag"] != etag
    assert client.get(where)["ETag"] == changed["ETag"]
    assert change("Late", **{"if-match": etag}).status_code == 412
    assert change("Any", **{"if-match": "*"}).status_code == 200


def test_post_is_idempotent():
    """Every POST is idempotent, except public ones."""
    found = 0
    for path, callback, actions in api_views():
        accepts_post = "post" in actions if actions else hasattr(callback.cls, "post")
        is_public = not callback.cls.authentication_classes
        if accepts_post and not is_public and path not in NOT_REPEATED:
            assert issubclass(callback.cls, IdempotentMixin), path
            found += 1
    assert found >= 10


ACTIONS = [
    ("maintenance-task-start", "maintenance-tasks", {}, "status"),
    ("alert-acknowledge", "alerts", {}, "is_acknowledged"),
]


@pytest.mark.parametrize(("name", "resource", "body", "field"), ACTIONS)
def test_action_repeated_has_one_effect(name, resource, body, field, client, filled):
    row = client.get(f"/api/v1/{resource}").json()["results"][0]
    where = reverse(f"api:{name}", kwargs={"pk": row["id"]})

    def call():
        return client.post(where, body, content_type=JSON, headers={"idempotency-key": "a-1"})

    first, again = call(), call()
    assert first.status_code == again.status_code == 200
    assert again["Idempotency-Replayed"] == "true"
    assert first.json()[field] == again.json()[field]


def test_api_key_create_repeated_hides_key(client, filled, organization_a, tenant):
    from apps.accounts.models import ApiKey, IdempotencyRecord

    def call():
        return client.post(
            "/api/v1/api-keys",
            {"name": "k", "permissions": []},
            content_type=JSON,
            headers={"idempotency-key": "a-1"},
        )

    first, again = call(), call()
    assert first.json()["key"].startswith("urfmp_live_")
    assert again.json() == {**first.json(), "key": None}
    with tenant(organization_a):
        assert ApiKey.objects.filter(name="k").count() == 1
        kept = "".join(IdempotencyRecord.objects.values_list("answer", flat=True))
    assert first.json()["key"] not in kept
