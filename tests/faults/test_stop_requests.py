"""A stop request works while the audit log fails, Redis is gone and rate limits are spent."""

from __future__ import annotations

import psycopg
import pytest
from django.core.cache import cache
from django.db import connections
from django.test import Client

from apps.audit.models import AuditLog
from apps.audit.services.spool import audit_spool_enter
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.hand_over import command_claim_next
from apps.robots.services.commands.reports import command_acknowledge, command_report_result
from tests.faults.test_audit_log_unavailable import failing
from urfmp.common.redis import events
from urfmp.common.tenancy.context import tenant_transaction

pytestmark = pytest.mark.django_db(transaction=True)

ACT = "robots.command.request_stop"


@pytest.fixture
def owner(django_db_setup):
    parameters = connections["owner"].get_connection_params()
    wanted = {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
    with psycopg.connect(**wanted, autocommit=True) as link:
        yield link


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a)


def stop_path(robot):
    return f"/api/v1/robots/{robot.pk}/stop-requests"


@pytest.mark.parametrize("when", ["INSERT", "UPDATE"], ids=["immediately", "at commit"])
def test_stop_without_audit_log_is_done_and_audited_later(
    when,
    owner,
    robot,
    alice,
    client_for,
    organization_a,
):
    client = client_for(alice)
    client.raise_request_exception = False
    with failing(owner, when):
        answer = client.post(stop_path(robot), {"reason": "Smoke"}, content_type="application/json")
        assert answer.status_code == 201, answer.content
        command = command_claim_next(organization_id=organization_a.pk, robot_id=robot.pk)
        assert command.type == "emergency_stop"
        for report, values in (
            (command_acknowledge, {}), (command_report_result, {"outcome": "completed"}),
        ):  # fmt: skip
            with tenant_transaction(organization_a.pk):
                report(robot_id=robot.pk, command_id=command.pk, **values)
        refused = client.post(
            f"/api/v1/robots/{robot.pk}/commands", {"type": "reset"},
            content_type="application/json", headers={"Idempotency-Key": "k"},
        )  # fmt: skip
        assert refused.status_code == 503  # every other command needs its audit row
    with tenant_transaction(organization_a.pk):
        assert Robot.objects.get(pk=robot.pk).stop_latched_at is not None
        assert RobotCommand.objects.get(pk=command.pk).status == "completed"
        assert not AuditLog.objects.filter(action=ACT).exists()
    assert audit_spool_enter() >= 4
    with tenant_transaction(organization_a.pk):
        rows = AuditLog.objects.filter(action=ACT)
        assert {row.user_id for row in rows} == {alice.pk}
        assert {row.resource_type for row in rows} == {"command", "robot"}
        found = set(AuditLog.objects.values_list("action", flat=True))
        assert found >= {"robots.command.hand_over", "robots.command.complete"}
    assert owner.execute("SELECT count(*) FROM audit_verify()").fetchone() == (0,)


def test_stop_without_redis_is_done(robot, alice, client_for, organization_a, monkeypatch):
    client = client_for(alice)
    # Not the process's own: it would stay without Redis after this test.
    publisher = events._Publisher("redis://127.0.0.1:1/0")
    monkeypatch.setattr(events, "_publisher", lambda: publisher)
    monkeypatch.setattr(cache, "get", lambda *args, **kwargs: None)
    answer = client.post(stop_path(robot), {}, content_type="application/json")
    assert answer.status_code == 201
    assert command_claim_next(organization_id=organization_a.pk, robot_id=robot.pk)


def test_stop_with_spent_rate_limit_is_done(robot, make_key, organization_a):
    key = make_key(organization_a, ["robots:read", "robots:command"], rate_limit=1)
    client = Client(headers={"x-api-key": key})
    statuses = [client.get("/api/v1/robots").status_code for _ in range(2)]
    assert statuses == [200, 429]
    for _ in range(3):
        answer = client.post(stop_path(robot), {}, content_type="application/json")
        assert answer.status_code == 201
