"""Rows of organization A requested by organization B are treated as missing."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.permissions.roles import SCOPES
from tests.support.access_matrix import (
    ADMIN_PAGE_IDS,
    ADMIN_PAGES,
    API,
    PLATFORM,
    USERS_ONLY,
    WITHOUT_ROW,
)
from tests.support.sample_data import MARK, RESOURCE, address, model_pages
from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet


@pytest.fixture(params=["filtered", "without ORM filter"])
def orm_filter(request, monkeypatch):
    """Run the test twice, the second time with `restrict` disabled.

    Then only the database protects the rows.
    """
    if request.param != "filtered":
        monkeypatch.setattr(
            OrganizationScopedQuerySet,
            "restrict",
            lambda self, principal, action="view": self.all(),
        )


def leaks(answer, ids):
    """Return whether a response shows data of organization A."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    text = body.decode(errors="replace")
    return MARK in text or MARK.replace("-", "_") in text


def test_api_other_organization_sees_nothing(
    orm_filter, ids, charlie, organization_b, client_for, make_key
):
    clients = {
        "admin": client_for(charlie),
        "key": Client(headers={"x-api-key": make_key(organization_b, list(SCOPES))}),
    }
    for who, client in clients.items():
        for (route, method), allowed in API.items():
            if route.startswith("device-") or (route, who) == ("own-session-list", "key"):
                continue
            is_list = route.endswith("-list") or route in WITHOUT_ROW
            if is_list and method == "post":
                continue
            answer = getattr(client, method)(
                address(route, ids),
                **({} if method == "get" else {"content_type": "application/json"}),
            )
            assert not leaks(answer, ids), (who, route, method)
            is_denied = allowed is PLATFORM or (route in USERS_ONLY and who == "key")
            expected = 403 if is_denied else 200 if is_list else 404
            assert answer.status_code == expected, (who, route, method, answer.content[:200])


def test_api_other_organization_gets_404_like_missing_row(ids, charlie, client_for):
    client = client_for(charlie)
    missing = {name: uuid.uuid4() for name in ids}
    for route, method in API:
        if route.endswith("-list") or route in WITHOUT_ROW:
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
        ("maintenance-schedule-list", {"title": "t", "running_hours": 9}, "robot"),
        ("maintenance-schedule-list", {"title": "t", "running_hours": 9}, "assigned_to"),
        (
            "alert-list",
            {"title": "t", "message": "m", "type": "system", "severity": "info"},
            "robot",
        ),
        ("api-key-list", {"name": "k", "permissions": []}, "robot"),
    ],
)
def test_api_foreign_ids_in_bodies_are_invalid(
    orm_filter, route, body, field, ids, charlie, client_for
):
    client = client_for(charlie)
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
        ("maintenance-schedule-list", "robot"),
        ("alert-list", "robot"),
        ("api-key-list", "robot"),
        ("session-list", "user"),
        ("audit-log-list", "user"),
        ("audit-log-list", "resource_id"),
        ("fleet-latest-list", "robots"),
    ],
)
def test_api_foreign_ids_in_filters_find_nothing(
    orm_filter, route, parameter, ids, charlie, client_for
):
    client = client_for(charlie)
    foreign = ids["user" if parameter in {"assigned_to", "user"} else "robot"]
    answers = [
        client.get(reverse(f"api:{route}"), {parameter: str(value)})
        for value in (foreign, uuid.uuid4())
    ]
    assert [answer.json()["results"] for answer in answers] == [[], []]


def test_ingest_foreign_robot_is_unknown(orm_filter, ids, organization_b, make_key):
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


def test_views_and_hypertables_other_organization_sees_nothing(
    orm_filter, ids, organization_b, tenant
):
    """Views and hypertables are protected by the database alone, without an ORM filter."""
    from django.db import connection

    from apps.robots.models import RobotStatusHistory
    from apps.telemetry.models import RobotTelemetry
    from apps.telemetry.selectors import latest_values, metric_names
    from apps.telemetry.services.pending_work import organizations_with_pending_work
    from apps.telemetry.services.rollups import roll_up

    with tenant(organization_b), connection.cursor() as cursor:
        for view in ("robot_status_current", "maintenance_summary"):
            cursor.execute(f"SELECT count(*) FROM {view}")
            assert cursor.fetchone()[0] == 0
        assert not RobotTelemetry.objects.exists()
        assert not RobotStatusHistory.objects.exists()
        assert latest_values([ids["robot"]]) == []
        # Checked with pending rollups and with completed ones.
        for organization_id in organizations_with_pending_work():
            assert organization_id != organization_b.id
    for organization_id in organizations_with_pending_work():
        roll_up(organization_id)
    with tenant(organization_b), connection.cursor() as cursor:
        assert latest_values([ids["robot"]]) == []
        assert metric_names(ids["robot"]) == []
        for table in ("telemetry_latest", "telemetry_batches"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone()[0] == 0


def test_admin_other_organization_sees_nothing(orm_filter, ids, charlie, client_for):
    client = client_for(charlie)
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
        args = [ids[ADMIN_PAGE_IDS[page]]] if page in ADMIN_PAGE_IDS else []
        answer = client.get(reverse(page, args=args))
        assert not leaks(answer, ids), page
        assert answer.status_code == (404 if args else 200), page


def test_admin_autocomplete_and_search_other_organization_sees_nothing(
    orm_filter, ids, charlie, client_for
):
    client = client_for(charlie)
    for app, model, field in (
        ("maintenance", "maintenancetask", "robot"),
        ("maintenance", "maintenancetask", "assigned_to"),
        ("maintenance", "maintenanceschedule", "robot"),
        ("maintenance", "partstock", "part"),
        ("alerts", "alert", "robot"),
        ("accounts", "apikey", "robot"),
    ):
        answer = client.get(
            reverse("admin:autocomplete"),
            {"app_label": app, "model_name": model, "field_name": field, "term": MARK[:5]},
        )
        assert not leaks(answer, ids)
    assert MARK not in client.get(reverse("admin:search"), {"s": MARK[:5]}).content.decode()


def relation_filters():
    """Yield model, related model and query parameter of each list filter by a related row."""
    for model, model_admin in admin.site._registry.items():
        for item in getattr(model_admin, "list_filter", ()):
            name = item if isinstance(item, str) else item[0] if isinstance(item, tuple) else ""
            if name and (field := model._meta.get_field(name)).is_relation:
                yield model, field.related_model, f"{name}__{field.target_field.name}__exact"


def test_admin_filter_by_foreign_row_is_like_missing_row(
    orm_filter, ids, organization_a, charlie, client_for, tenant
):
    client = client_for(charlie)

    def page(url, parameter, value):
        """Return rows and text of the list without ids and tokens."""
        answer = client.get(url, {parameter: value}, follow=True)
        assert answer.status_code == 200, (url, parameter, answer.redirect_chain)
        assert not leaks(answer, ids), (url, parameter)
        text = answer.content.decode().replace(str(value), "")
        rows = [row.pk for row in answer.context["cl"].result_list]
        return rows, re.sub(r'"[A-Za-z0-9]{64}"|\d\d:\d\d(:\d\d)?', "", text)

    filters = list(relation_filters())
    assert len(filters) >= 8
    for model, target, parameter in filters:
        with tenant(organization_a):
            foreign = target._default_manager.values_list("pk", flat=True).first()
        assert foreign is not None, target
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert page(url, parameter, foreign) == page(url, parameter, uuid.uuid4())
