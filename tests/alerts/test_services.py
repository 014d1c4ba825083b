from __future__ import annotations

import math

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction

from apps.alerts.exceptions import AlertResolvedError
from apps.alerts.models import Alert
from apps.alerts.services import alert_acknowledge, alert_create, alert_resolve
from apps.audit.models import AuditLog
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import tenant_transaction


@pytest.fixture
def make_alert(tenant):
    def make(organization, **fields):
        values = {"type": "system", "severity": "error", "title": "Hot", "message": "m", **fields}
        with tenant(organization):
            return alert_create(organization_id=organization.id, **values)

    return make


def test_acknowledging_twice_keeps_the_first(organization_a, make_alert, alice, bob, tenant):
    alert = make_alert(organization_a)
    assert (alert.is_acknowledged, alert.is_resolved) == (False, False)
    with tenant(organization_a):
        first = alert_acknowledge(alert, alice)
        again = alert_acknowledge(alert, bob)
        records = AuditLog.objects.filter(action="alerts.alert.acknowledge").count()
    assert (again.acknowledged_by_id, again.acknowledged_at) == (alice.pk, first.acknowledged_at)
    assert records == 1


def test_resolving_implies_having_known(organization_a, make_alert, alice, bob, tenant):
    alert = make_alert(organization_a)
    with tenant(organization_a):
        first = alert_resolve(alert, alice)
        again = alert_resolve(alert, bob)
        assert (first.is_acknowledged, first.acknowledged_by_id) == (True, alice.pk)
        assert first.acknowledged_at == first.resolved_at
        assert (again.resolved_at, again.acknowledged_by_id) == (first.resolved_at, alice.pk)
        assert AuditLog.objects.filter(action="alerts.alert.resolve").count() == 1
        with pytest.raises(AlertResolvedError):
            alert_acknowledge(alert, bob)
        assert not Alert.objects.unresolved().exists()


def test_resolving_keeps_who_knew(organization_a, make_alert, alice, bob, tenant):
    alert = make_alert(organization_a)
    with tenant(organization_a):
        known = alert_acknowledge(alert, alice)
        over = alert_resolve(alert, bob)
    assert (over.acknowledged_by_id, over.acknowledged_at) == (alice.pk, known.acknowledged_at)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_is_first(organization_a, make_alert, alice, bob):
    for _ in range(3):
        alert = make_alert(organization_a)

        def acknowledge(user, pk=alert.pk):
            with tenant_transaction(organization_a.id):
                return alert_acknowledge(Alert.objects.get(pk=pk), user)

        one, two = run_concurrently(lambda: acknowledge(alice), lambda: acknowledge(bob))
        assert one.acknowledged_by_id == two.acknowledged_by_id
        assert one.acknowledged_at == two.acknowledged_at
        with tenant_transaction(organization_a.id):
            records = AuditLog.objects.filter(
                action="alerts.alert.acknowledge", resource_id=alert.pk
            )
            assert records.count() == 1


def test_robot_of_another_organization(
    organization_a, organization_b, make_alert, make_robot, tenant
):
    robot = make_robot(organization_b)
    with pytest.raises(ValidationError):
        make_alert(organization_a, robot=robot)
    make_alert(organization_a)
    with (
        tenant(organization_a),
        connection.cursor() as cursor,
        pytest.raises(DatabaseError),
        transaction.atomic(),
    ):
        cursor.execute("UPDATE alerts SET robot_id = %s", [robot.pk])


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "magic"},
        {"severity": "fatal"},
        {"source": "moon"},
        {"title": ""},
        {"title": "x" * 256},
        {"message": ""},
        {"metadata": {"x": math.nan}},
        {"metadata": {"x": "\x00"}},
    ],
)
def test_what_does_not_fit_is_refused(wrong, organization_a, make_alert):
    with pytest.raises(ValidationError) as refusal:
        make_alert(organization_a, **wrong)
    assert set(refusal.value.message_dict) == set(wrong)


def test_key_acts_without_a_person(organization_a, make_alert, make_key):
    from django.test import Client

    alert = make_alert(organization_a)
    key = make_key(organization_a, ["alerts:read", "alerts:write"])
    for verb in ("acknowledge", "resolve"):
        answer = Client().post(f"/api/v1/alerts/{alert.pk}/{verb}", headers={"x-api-key": key})
        assert answer.status_code == 200
        assert answer.json()["acknowledged_by"] is None
    answer = Client().post(f"/api/v1/alerts/{alert.pk}/acknowledge", headers={"x-api-key": key})
    assert (answer.status_code, answer.json()["code"]) == (409, "alert_resolved")
