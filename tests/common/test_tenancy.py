from __future__ import annotations

from contextlib import nullcontext

import pytest
from django.db import OperationalError, connection, transaction

from apps.audit.models import AuditLog
from apps.robots.models import Robot
from apps.robots.services.robots import robot_update
from tests.support.architecture import source_modules
from urfmp.common.tenancy.context import (
    Actor,
    audit_action,
    current_actor,
    execute_in_tenant,
    switch_organization_transaction,
    tenant_transaction,
)
from urfmp.common.tenancy.exceptions import TenantError


def test_query_outside_tenant_transaction_raises(organization_a, make_robot):
    make_robot(organization_a)
    with pytest.raises(TenantError, match="robots"):
        Robot.objects.count()


def test_raw_query_outside_tenant_transaction_raises(db):
    with pytest.raises(TenantError), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM robots")


def test_tenant_transaction_sees_own_organization_only(
    organization_a, organization_b, make_robot, tenant
):
    mine, theirs = make_robot(organization_a), make_robot(organization_b)
    with tenant(organization_a):
        assert list(Robot.objects.all()) == [mine]
        assert not Robot.objects.filter(pk=theirs.pk).exists()


def test_tenant_transaction_of_other_organization_inside_raises(
    organization_a, organization_b, tenant
):
    with tenant(organization_a), pytest.raises(TenantError), tenant(organization_b):
        pass


def test_audit_action_outside_tenant_transaction_raises(db):
    with pytest.raises(TenantError), audit_action("robots.robot.create"):
        pass


def test_actor_nested_is_inherited_and_restored(organization_a, alice, bob, make_robot, tenant):
    robot = make_robot(organization_a)

    def rename(name):
        robot_update(robot, name=name)
        return AuditLog.objects.get(after__name=name, action="robots.robot.update").user_id

    with tenant(organization_a, Actor(user_id=alice.pk)):
        with tenant(organization_a):
            assert rename("A") == alice.pk
        with tenant(organization_a, Actor(user_id=bob.pk)):
            assert rename("B") == bob.pk
        assert current_actor().user_id == alice.pk
        assert rename("C") == alice.pk


@pytest.mark.django_db(transaction=True)
def test_tenant_transaction_leaves_no_settings_on_connection(make_organization):
    """1,000 alternating transactions on one connection, a tenth of them failing."""
    organizations = [make_organization() for _ in range(2)]
    for turn in range(1000):
        organization = organizations[turn % 2]
        try:
            with tenant_transaction(organization.id), connection.cursor() as cursor:
                cursor.execute("SELECT array_agg(id) FROM organizations")
                assert cursor.fetchone()[0] == [organization.id]
                assert 1 / (turn % 10)
        except ZeroDivisionError:
            pass
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('app.organization_id', true)")
            assert not cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_execute_in_tenant_is_one_transaction(organization_a, organization_b, make_robot, tenant):
    mine, theirs = make_robot(organization_a), make_robot(organization_b)
    rename = "UPDATE robots SET name = %s WHERE id = ANY (%s) RETURNING name"
    both = [mine.pk, theirs.pk]
    assert execute_in_tenant(organization_a.id, rename, ["Ann", both]) == ("Ann",)
    names = {}
    for organization, robot in ((organization_a, mine), (organization_b, theirs)):
        with tenant(organization):
            names[robot] = Robot.objects.get(pk=robot.pk).name
    assert names == {mine: "Ann", theirs: theirs.name}
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('app.organization_id', true)")
        assert not cursor.fetchone()[0]
        with pytest.raises(TenantError):
            cursor.execute("SELECT count(*) FROM robots")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_nested", [False, True])
def test_execute_in_tenant_failure_rolls_back(organization_a, make_robot, tenant, is_nested):
    robot = make_robot(organization_a)
    rename = "WITH new AS (UPDATE robots SET name = 'Ann') SELECT pg_sleep(%s)"
    around = tenant(organization_a) if is_nested else nullcontext()
    with pytest.raises(OperationalError, match="statement timeout"), around:
        execute_in_tenant(organization_a.id, rename, [5], statement_timeout="50ms")
    with tenant(organization_a):
        assert Robot.objects.get().name == robot.name
    execute_in_tenant(
        organization_a.id, rename, [0.1]
    )  # the timeout applied to that statement only
    with tenant(organization_a):
        assert Robot.objects.get().name == "Ann"


def test_execute_in_tenant_inside_other_organization_raises(organization_a, organization_b, tenant):
    with tenant(organization_a), pytest.raises(TenantError):
        execute_in_tenant(organization_b.id, "SELECT 1", [])


def test_switch_organization_transaction_sees_one_organization_at_a_time(
    organization_a, organization_b, make_robot, tenant
):
    make_robot(organization_a, name="A")
    make_robot(organization_b, name="B")

    def seen():
        return set(Robot.objects.values_list("name", flat=True))

    with tenant(organization_a):
        assert seen() == {"A"}
        with switch_organization_transaction(organization_b.pk):
            assert seen() == {"B"}
            with switch_organization_transaction(organization_a.pk):
                assert seen() == {"A"}
        assert seen() == {"A"}
        with (
            pytest.raises(ValueError, match="x"),
            switch_organization_transaction(organization_b.pk),
        ):
            raise ValueError("x")
        assert seen() == {"A"}
        with pytest.raises(TenantError), tenant_transaction(organization_b.pk):
            pass
    with transaction.atomic():
        with switch_organization_transaction(organization_b.pk):
            assert seen() == {"B"}
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('app.organization_id', true)")
            assert cursor.fetchone()[0] in {"", None}


def test_switch_organization_transaction_has_known_callers_only():
    """Three services switch organizations; one more module defines the function."""
    users = {
        path
        for path, source in source_modules().items()
        if "switch_organization_transaction" in source
    }
    assert users == {
        "apps/accounts/services/step_up.py",
        "apps/organizations/services/platform.py",
        "apps/organizations/services/organizations.py",
        "urfmp/common/tenancy/context.py",
    }
