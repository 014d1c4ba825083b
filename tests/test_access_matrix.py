"""Every route and every admin page, against everybody.

The rows come from the URL resolver and from the admin's registry: one that is not listed here
fails the first test.
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import timedelta

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from apps.accounts.roles import SCOPES
from tests.access_rows import (
    ADMIN_PAGES,
    ADMIN_PLAIN,
    API,
    ELSEWHERE,
    KEYS,
    OF_NO_ROW,
    OUTSIDE,
    PEOPLE,
    PLATFORM,
)
from urfmp.common.querysets import OrganizationScopedQuerySet

MARK = "zebra-7f3a"  # in every name that belongs to organization A
MODEL_PAGE = re.compile(r"admin:(\w+?)_(\w+)_(changelist|add|change|delete|history|act|export)")


def routes(resolver=None, namespaces=()):
    for pattern in (resolver or get_resolver()).url_patterns:
        if hasattr(pattern, "url_patterns"):
            inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from routes(pattern, inner)
        else:
            yield ":".join((*namespaces, str(pattern.name)))


def test_every_route_is_in_the_matrix():
    listed = {f"api:{name}" for name, _ in API} | ELSEWHERE | set(ADMIN_PAGES) | ADMIN_PLAIN
    listed |= OUTSIDE
    models = {(m._meta.app_label, m._meta.model_name) for m in admin.site._registry}
    for name in set(routes()):
        found = MODEL_PAGE.fullmatch(name)
        assert name in listed or (found and found.groups()[:2] in models), name


def test_every_row_is_a_route():
    names = set(routes())
    assert {f"api:{name}" for name, _ in API} | set(ADMIN_PAGES) <= names


def _make(organization, mark, fixtures):
    """Fill an organization with one row of everything; return the ids by route prefix."""
    from apps.accounts.invitations import invitation_create
    from apps.accounts.key_services import api_key_create
    from apps.accounts.models import ApiKey, UserSession
    from apps.accounts.services import system_user_get
    from apps.alerts.services import alert_open
    from apps.audit.models import AuditLog
    from apps.maintenance.services import task_create
    from apps.robots.models import RobotCommand
    from apps.telemetry.points import Batch, Point
    from apps.telemetry.services import telemetry_ingest

    facility = fixtures["make_facility"](organization, f"Hall {mark}")
    robot = fixtures["make_robot"](
        organization,
        name=f"Robot {mark}",
        serial_number=f"SN-{mark}",
        location={"facility": facility.name},
    )
    user = fixtures["make_user"](organization, "viewer", f"{mark}@x.example", first_name=mark)
    fixtures["sign_in"](user)
    time = timezone.now() - timedelta(minutes=1)
    points = [(0, Point(f"m.{mark.replace('-', '_')}", time, 7.25, robot_id=robot.pk))]
    telemetry_ingest(organization_id=organization.id, batch=Batch(points))
    with fixtures["inside"](organization):
        author = system_user_get(organization_id=organization.id)
        task = task_create(
            organization_id=organization.id,
            created_by=author,
            title=f"Task {mark}",
            type="preventive",
            robot=robot,
            scheduled_at=timezone.now() + timedelta(days=1),
        )
        alert = alert_open(
            organization_id=organization.id,
            robot=robot,
            type="system",
            severity="error",
            title=f"Alert {mark}",
            message=mark,
        )
        invitation = invitation_create(
            organization_id=organization.id, email=f"{mark}-invited@x.example", role="custom"
        )
        command = RobotCommand.objects.create(
            organization=organization, robot=robot, type="pause", payload={"note": mark}
        )
        key, _ = api_key_create(
            organization_id=organization.id, user=author, name=f"Key {mark}", permissions=[]
        )
        session = UserSession.objects.filter(user=user).first()
        audit = AuditLog.objects.first()
        assert ApiKey.objects.count()
    return {
        "organization": organization.pk,
        "facility": facility.pk,
        "robot": robot.pk,
        "user": user.pk,
        "invitation": invitation.pk,
        "session": session.pk,
        "maintenance-task": task.pk,
        "alert": alert.pk,
        "command": command.pk,
        "api-key": key.pk,
        "audit-log": audit.pk,
    }


@pytest.fixture
def fixtures(make_facility, make_robot, make_user, inside, sign_in, make_key, root):
    return {
        "root": root,
        "make_facility": make_facility,
        "make_robot": make_robot,
        "make_user": make_user,
        "inside": inside,
        "sign_in": sign_in,
        "make_key": make_key,
    }


@pytest.fixture
def ids(organization_a, fixtures):
    return _make(organization_a, MARK, fixtures)


@pytest.fixture
def caller(organization_a, fixtures, ids):
    """Return a function from a caller's name to a client of organization A."""

    def get(name):
        if name == "anonymous":
            return Client()
        if name == "super_admin":
            client = fixtures["sign_in"](fixtures["root"])
            body = {"organization": str(organization_a.pk)}
            client.post(reverse("api:auth-choose-organization"), body, "application/json")
            return client
        if name in PEOPLE:
            return fixtures["sign_in"](fixtures["make_user"](organization_a, name))
        scopes = {
            "read_key": [scope for scope in SCOPES if scope.endswith(":read")],
            "write_key": [scope for scope in SCOPES if scope.endswith((":write", ":command"))],
            "device_key": ["telemetry:write"],
        }[name]
        robot = None
        if name == "device_key":
            from apps.robots.models import Robot

            with fixtures["inside"](organization_a):
                robot = Robot.objects.get(pk=ids["robot"])
        key = fixtures["make_key"](organization_a, scopes, robot=robot)
        return Client(headers={"x-api-key": key})

    return get


def address(route, ids):
    """Return the address of a route with the ids that it takes."""
    if route == "telemetry-export":
        range_ = "start=2026-01-01T00:00:00Z&end=2100-01-01T00:00:00Z"
        return reverse(f"api:{route}") + f"?format=csv&{range_}&robots={ids['robot']}"
    if route == "fleet-series" or route.startswith(
        ("telemetry-", "robot-commands", "robot-status-history")
    ):
        of_robot = {} if route == "fleet-series" else {"robot_id": ids["robot"]}
        path = reverse(f"api:{route}", kwargs=of_robot)
        if route.endswith(("-series", "-histogram")):
            name = "metric" if route.endswith("-histogram") else "metrics"
            path += f"?{name}=m.{MARK.replace('-', '_')}&start=2026-01-01T00:00:00Z"
            path += f"&end={(timezone.now() + timedelta(hours=1)).strftime('%Y-%m-%dT%H:%M:%SZ')}"
            path += "" if of_robot else f"&robots={ids['robot']}"
        return path
    if route.endswith("-list") or route in OF_NO_ROW:
        return reverse(f"api:{route}")
    resource = re.sub(
        r"-(detail|password-link|second-factor|start|complete|cancel|acknowledge|resolve|rotate|resend"
        r"|set-plan|deactivate|reactivate)$",
        "",
        route.removeprefix("platform-"),
    )
    return reverse(f"api:{route}", kwargs={"pk": ids[resource]})


def may(who, allowed):
    """Tell whether somebody is let in; a super admin is where an admin is."""
    return who in allowed or (who == "super_admin" and "admin" in allowed)


@pytest.mark.parametrize("who", ["anonymous", *PEOPLE, *KEYS])
def test_api(who, caller, ids):
    client = caller(who)
    surprises = []
    for (route, method), allowed in API.items():
        answer = getattr(client, method)(
            address(route, ids), **({} if method == "get" else {"content_type": "application/json"})
        )
        if who == "anonymous":
            right = answer.status_code == 401
        elif may(who, allowed):
            right = answer.status_code not in {401, 403, 404, 405} and answer.status_code < 500
            # A key makes no keys.
            right |= (route, method, who) == ("api-key-list", "post", "write_key")
        else:
            # A device key is let through to lists of nothing, never to a row.
            right = answer.status_code == 403
        if not right:
            surprises.append((route, method, answer.status_code, answer.content[:120]))
    assert not surprises


@pytest.fixture(params=["filtered", "without the ORM filter"])
def orm_filter(request, monkeypatch):
    """Once as it is, once with `restrict` letting every row through: the database must hold."""
    if request.param != "filtered":
        monkeypatch.setattr(
            OrganizationScopedQuerySet,
            "restrict",
            lambda self, principal, action="view": self.all(),
        )


def leaks(answer, ids):
    """Tell whether an answer shows anything of organization A."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    text = body.decode(errors="replace")
    return MARK in text or MARK.replace("-", "_") in text


def test_other_organization_sees_nothing_in_the_api(
    orm_filter, ids, charlie, organization_b, sign_in, fixtures
):
    clients = {
        "admin": sign_in(charlie),
        "key": Client(headers={"x-api-key": fixtures["make_key"](organization_b, list(SCOPES))}),
    }
    for who, client in clients.items():
        for (route, method), allowed in API.items():
            if route == "device-status" or (route, who) == ("own-session-list", "key"):
                continue
            is_list = route.endswith("-list") or route in OF_NO_ROW
            if is_list and method == "post":
                continue
            answer = getattr(client, method)(
                address(route, ids),
                **({} if method == "get" else {"content_type": "application/json"}),
            )
            assert not leaks(answer, ids), (who, route, method)
            expected = 403 if allowed is PLATFORM else 200 if is_list else 404
            assert answer.status_code == expected, (who, route, method, answer.content[:200])


def test_a_foreign_row_answers_like_a_missing_one(ids, charlie, sign_in):
    client = sign_in(charlie)
    missing = {name: uuid.uuid4() for name in ids}
    for route, method in API:
        if route.endswith("-list") or route in OF_NO_ROW:
            continue
        kwargs = {} if method == "get" else {"content_type": "application/json"}
        foreign = getattr(client, method)(address(route, ids), **kwargs)
        nothing = getattr(client, method)(address(route, missing), **kwargs)
        assert (foreign.status_code, foreign.content) == (nothing.status_code, nothing.content), (
            route
        )


@pytest.mark.parametrize(
    ("route", "body", "field"),
    [
        ("maintenance-task-list", {"title": "t", "type": "cleaning"}, "robot"),
        ("maintenance-task-list", {"title": "t", "type": "cleaning"}, "assigned_to"),
        (
            "alert-list",
            {"title": "t", "message": "m", "type": "system", "severity": "info"},
            "robot",
        ),
        ("api-key-list", {"name": "k", "permissions": []}, "robot"),
    ],
)
def test_foreign_ids_in_bodies_do_not_exist(orm_filter, route, body, field, ids, charlie, sign_in):
    client = sign_in(charlie)
    foreign = ids["user" if field == "assigned_to" else "robot"]
    for value in (foreign, uuid.uuid4()):
        answer = client.post(
            reverse(f"api:{route}"), {**body, field: str(value)}, content_type="application/json"
        )
        assert answer.status_code == 400, answer.content
        assert field in answer.json()["errors"]


@pytest.mark.parametrize(
    ("route", "parameter"),
    [
        ("command-list", "robot"),
        ("maintenance-task-list", "robot"),
        ("maintenance-task-list", "assigned_to"),
        ("alert-list", "robot"),
        ("api-key-list", "robot"),
        ("session-list", "user"),
        ("audit-log-list", "user"),
        ("audit-log-list", "resource_id"),
        ("fleet-latest-list", "robots"),
    ],
)
def test_foreign_ids_in_filters_find_nothing(orm_filter, route, parameter, ids, charlie, sign_in):
    client = sign_in(charlie)
    foreign = ids["user" if parameter in {"assigned_to", "user"} else "robot"]
    answers = [
        client.get(reverse(f"api:{route}"), {parameter: str(value)})
        for value in (foreign, uuid.uuid4())
    ]
    assert [answer.json()["results"] for answer in answers] == [[], []]


def test_foreign_robot_in_ingest_is_unknown(orm_filter, ids, organization_b, make_key):
    key = make_key(organization_b)
    point = {
        "robot_id": str(ids["robot"]),
        "metric_name": "a",
        "time": timezone.now().isoformat(),
        "value": 1,
    }
    answer = Client(headers={"x-api-key": key}).post(
        "/api/v1/telemetry", json.dumps({"points": [point]}), content_type="application/json"
    )
    assert answer.status_code == 422
    assert answer.json()["rejected"][0]["code"] == "unknown_robot"


def test_views_and_hypertables_show_other_organizations_nothing(
    orm_filter, ids, organization_b, inside
):
    """What no ORM filter guards at all."""
    from django.db import connection

    from apps.robots.models import RobotStatusHistory
    from apps.telemetry.batches import batch_organizations
    from apps.telemetry.models import RobotTelemetry
    from apps.telemetry.rollups import roll_up
    from apps.telemetry.selectors import latest_values, metric_names

    with inside(organization_b), connection.cursor() as cursor:
        for view in ("robot_status_current", "maintenance_summary"):
            cursor.execute(f"SELECT count(*) FROM {view}")
            assert cursor.fetchone()[0] == 0
        assert not RobotTelemetry.objects.exists()
        assert not RobotStatusHistory.objects.exists()
        assert latest_values([ids["robot"]]) == []
        # Once from what waits to be rolled up, once from what is.
        for organization_id in batch_organizations():
            assert organization_id != organization_b.id
    for organization_id in batch_organizations():
        roll_up(organization_id)
    with inside(organization_b), connection.cursor() as cursor:
        assert latest_values([ids["robot"]]) == []
        assert metric_names(ids["robot"]) == []
        for table in ("telemetry_latest", "telemetry_batches"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone()[0] == 0


def model_pages():
    for model in admin.site._registry:
        opts = model._meta
        prefix = f"admin:{opts.app_label}_{opts.model_name}"
        yield model, prefix


RESOURCE = {
    "organization": "organization",
    "platformorganization": "organization",
    "facility": "facility",
    "robot": "robot",
    "user": "user",
    "invitation": "invitation",
    "usersession": "session",
    "maintenancetask": "maintenance-task",
    "alert": "alert",
    "robotcommand": "command",
    "apikey": "api-key",
    "auditlog": "audit-log",
}


@pytest.mark.parametrize("who", ["anonymous", *PEOPLE])
def test_admin_pages(who, caller, ids):
    client = caller(who)
    surprises = []
    for model, prefix in model_pages():
        opts = model._meta
        pages = {"changelist": ("view", reverse(f"{prefix}_changelist"))}
        if opts.model_name in RESOURCE:
            pk = ids[RESOURCE[opts.model_name]]
            pages["change"] = ("view", reverse(f"{prefix}_change", args=[pk]))
            pages["history"] = ("view", reverse(f"{prefix}_history", args=[pk]))
        for action, path in pages.values():
            answer = client.get(path)
            if who == "anonymous":
                right = answer.status_code == 302 and "/login/" in answer["location"]
            else:
                user_may = answer.wsgi_request.user.has_perm(
                    f"{opts.app_label}.{action}_{opts.model_name}"
                )
                right = answer.status_code == (200 if user_may else 403)
            if not right:
                surprises.append((path, answer.status_code))
    for name, allowed in ADMIN_PAGES.items():
        args = [ids["robot"]] if name == "admin:robot_page" else []
        answer = client.get(reverse(name, args=args))
        expected = 302 if who == "anonymous" else 200 if may(who, allowed) else 403
        if answer.status_code != expected:
            surprises.append((name, answer.status_code))
    for name in OUTSIDE:
        answer = client.get(reverse(name))
        expected = 302 if name == "admin:sign_in_code" else 200  # back to the password
        if answer.status_code != expected or MARK in answer.content.decode():
            surprises.append((name, answer.status_code))
    assert not surprises


def test_other_organization_sees_nothing_in_the_admin(orm_filter, ids, charlie, sign_in):
    client = sign_in(charlie)
    for model, prefix in model_pages():
        name = model._meta.model_name
        pages = [
            reverse(f"{prefix}_changelist"),
            reverse(f"{prefix}_changelist") + f"?q={MARK[:5]}",
        ]
        pages += (
            []
            if name not in RESOURCE
            else [
                reverse(f"{prefix}_{page}", args=[ids[RESOURCE[name]]])
                for page in ("change", "history", "delete")
            ]
        )
        for path in pages:
            answer = client.get(path, follow=True)
            text = answer.content.decode()
            for echo in (f"q={MARK}", f"q%3D{MARK}", f'value="{MARK}"'):
                text = text.replace(echo, "")
            assert MARK not in text, path
            assert answer.status_code in {200, 403, 404}, path
    for page in ADMIN_PAGES:
        args = [ids["robot"]] if page == "admin:robot_page" else []
        answer = client.get(reverse(page, args=args))
        assert not leaks(answer, ids), page
        assert answer.status_code == (404 if args else 200), page


def test_admin_autocomplete_and_search_are_scoped(orm_filter, ids, charlie, sign_in):
    client = sign_in(charlie)
    for app, model, field in (
        ("maintenance", "maintenancetask", "robot"),
        ("maintenance", "maintenancetask", "assigned_to"),
        ("alerts", "alert", "robot"),
        ("accounts", "apikey", "robot"),
    ):
        answer = client.get(
            reverse("admin:autocomplete"),
            {"app_label": app, "model_name": model, "field_name": field, "term": MARK[:5]},
        )
        assert not leaks(answer, ids)
    assert MARK not in client.get(reverse("admin:search"), {"s": MARK[:5]}).content.decode()
