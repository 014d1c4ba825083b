from __future__ import annotations

import math

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction

from apps.alerts.choices.alerts import TRANSITIONS, AlertAction, AlertState
from apps.alerts.exceptions import AlertResolvedError
from apps.alerts.models import Alert
from apps.alerts.services.alerts import alert_acknowledge, alert_report, alert_resolve
from apps.audit.models import AuditLog
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import tenant_transaction


@pytest.fixture
def make_alert(tenant):
    def make(organization, **fields):
        values = {"type": "system", "severity": "error", "title": "Hot", "message": "m", **fields}
        with tenant(organization):
            return alert_report(organization_id=organization.id, **values).alert

    return make


def test_second_acknowledgement_keeps_first_user(organization_a, make_alert, alice, bob, tenant):
    alert = make_alert(organization_a)
    assert (alert.is_acknowledged, alert.is_resolved) == (False, False)
    with tenant(organization_a):
        first = alert_acknowledge(alert, alice)
        again = alert_acknowledge(alert, bob)
        records = AuditLog.objects.filter(action="alerts.alert.acknowledge").count()
    assert (again.acknowledged_by_id, again.acknowledged_at) == (alice.pk, first.acknowledged_at)
    assert records == 1


def test_resolve_acknowledges_new_alert(organization_a, make_alert, alice, bob, tenant):
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


def test_resolve_keeps_acknowledging_user(organization_a, make_alert, alice, bob, tenant):
    alert = make_alert(organization_a)
    with tenant(organization_a):
        known = alert_acknowledge(alert, alice)
        over = alert_resolve(alert, bob)
    assert (over.acknowledged_by_id, over.acknowledged_at) == (alice.pk, known.acknowledged_at)


@pytest.mark.parametrize("state", AlertState)
@pytest.mark.parametrize("action", AlertAction)
def test_services_change_alerts_by_table(action, state, organization_a, make_alert, alice, tenant):
    alert = make_alert(organization_a)
    service = {AlertAction.ACKNOWLEDGE: alert_acknowledge, AlertAction.RESOLVE: alert_resolve}
    with tenant(organization_a):
        Alert.objects.update(
            is_acknowledged=state == AlertState.ACKNOWLEDGED,
            is_resolved=state == AlertState.RESOLVED,
        )
        alert.refresh_from_db()
        assert alert.state == state
        if (action, state) == (AlertAction.ACKNOWLEDGE, AlertState.RESOLVED):
            with pytest.raises(AlertResolvedError):
                service[action](alert, alice)
        else:
            service[action](alert, alice)
        alert.refresh_from_db()
    assert (alert.state != state) is (state in TRANSITIONS[action])


def test_every_action_has_a_transition():
    assert set(TRANSITIONS) == set(AlertAction)


@pytest.mark.django_db(transaction=True)
def test_concurrent_acknowledgements_keep_one_user(organization_a, make_alert, alice, bob):
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


def test_robot_of_other_organization_is_rejected(
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
def test_invalid_values_are_rejected(wrong, organization_a, make_alert):
    with pytest.raises(ValidationError) as raised:
        make_alert(organization_a, **wrong)
    assert set(raised.value.message_dict) == set(wrong)


def test_api_key_acknowledges_and_resolves_without_user(organization_a, make_alert, make_key):
    from django.test import Client

    alert = make_alert(organization_a)
    key = make_key(organization_a, ["alerts:read", "alerts:write"])
    for verb in ("acknowledge", "resolve"):
        response = Client().post(f"/api/v1/alerts/{alert.pk}/{verb}", headers={"x-api-key": key})
        assert response.status_code == 200
        assert response.json()["acknowledged_by"] is None
    response = Client().post(f"/api/v1/alerts/{alert.pk}/acknowledge", headers={"x-api-key": key})
    assert (response.status_code, response.json()["code"]) == (409, "alert_resolved")
