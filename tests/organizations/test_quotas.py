from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.accounts.exceptions import PlanLimitError
from apps.accounts.models import ApiKey, User
from apps.accounts.services.api_keys import api_key_create, api_key_revoke
from apps.accounts.services.quotas import (
    LIMIT_COLUMNS,
    PLAN_LIMITS,
    RESOURCES,
    Usage,
    quota_limits,
    quota_usage,
)
from apps.accounts.services.users import system_user_get, user_create, user_update
from apps.organizations.choices import Plan
from apps.organizations.models import Organization
from apps.robots.models import Robot
from apps.robots.services.robots import robot_register, robot_retire, robot_return_to_service
from tests.conftest import PASSWORD
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import tenant_transaction

CONCURRENT_CALLS = 16


@pytest.fixture
def limited(make_organization, tenant):
    """An organization with the plan Custom and a limit of three for each resource."""
    organization = make_organization("small", plan="custom")
    with tenant(organization):
        Organization.objects.update(robot_limit=3, user_limit=3, api_key_limit=3)
        organization.refresh_from_db()
    return organization


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        (Usage("api_keys", 1, None), "1 API key"),
        (Usage("robots", 0, None), "0 robots"),
        (Usage("users", 1, 5), "1 of 5 users"),
    ],
)
def test_usage_has_a_text(usage, text):
    assert str(usage) == text


def add(organization, resource, number):
    if resource == "robots":
        return robot_register(
            organization_id=organization.pk, name=f"R{number}", vendor="kuka", configuration={}
        )
    if resource == "users":
        return user_create(
            organization_id=organization.pk, email=f"u{number}@small.example", password=PASSWORD
        )
    return api_key_create(
        organization_id=organization.pk,
        user=system_user_get(organization_id=organization.pk),
        name=f"K{number}",
        permissions=["telemetry:write"],
    )[0]


def used(organization, resource):
    return {usage.resource: usage.used for usage in quota_usage(organization)}[resource]


def test_every_plan_limits_every_resource():
    assert set(PLAN_LIMITS) == set(Plan.values) - {"custom"}
    for limits in PLAN_LIMITS.values():
        assert set(limits) == set(RESOURCES) == set(LIMIT_COLUMNS)
    for name in RESOURCES:
        row = [PLAN_LIMITS[plan][name] for plan in ("free", "starter", "professional")]
        assert row == sorted(row)
        assert PLAN_LIMITS["enterprise"][name] is None


def test_custom_plan_limits_come_from_columns(limited):
    assert quota_limits(limited) == {"robots": 3, "users": 3, "api_keys": 3}
    limited.robot_limit = None
    assert quota_limits(limited)["robots"] is None
    limited.plan = None  # the column is nullable
    assert quota_limits(limited) == PLAN_LIMITS["free"]


@pytest.mark.parametrize("resource", RESOURCES)
def test_add_above_limit_raises(resource, limited, tenant):
    with tenant(limited):
        for number in range(3):
            add(limited, resource, number)
        with pytest.raises(PlanLimitError) as raised:
            add(limited, resource, 3)
        assert used(limited, resource) == 3
    assert raised.value.extra == {"plan": "custom", "resource": resource, "limit": 3, "used": 3}
    assert "The plan Custom allows 3" in raised.value.message


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("resource", RESOURCES)
def test_concurrent_adds_stay_within_limit(resource, limited):
    with tenant_transaction(limited.pk):
        for number in range(2):
            add(limited, resource, number)

    def call(number):
        with tenant_transaction(limited.pk):
            return add(limited, resource, 10 + number)

    outcome = run_concurrently(*(lambda number=n: call(number) for n in range(CONCURRENT_CALLS)))
    errors = [item for item in outcome if isinstance(item, PlanLimitError)]
    assert len(errors) == CONCURRENT_CALLS - 1, outcome
    with tenant_transaction(limited.pk):
        assert used(limited, resource) == 3


@pytest.mark.django_db(transaction=True)
def test_concurrent_returns_and_adds_stay_within_limit(limited):
    """Retired robots return and new ones are added; likewise users."""
    with tenant_transaction(limited.pk):
        robots = [add(limited, "robots", number) for number in range(3)]
        users = [add(limited, "users", number) for number in range(3)]
        for robot in robots:
            robot_retire(robot)
        for user in users:
            user_update(user, is_active=False)
        for number in (10, 11):
            add(limited, "robots", number)
            add(limited, "users", number)

    def in_tenant(call):
        with tenant_transaction(limited.pk):
            return call()

    calls = [lambda r=r: in_tenant(lambda: robot_return_to_service(r)) for r in robots]
    calls += [lambda n=n: in_tenant(lambda: add(limited, "robots", n)) for n in range(20, 23)]
    outcome = run_concurrently(*calls)
    assert sum(isinstance(item, PlanLimitError) for item in outcome) == len(calls) - 1, outcome
    calls = [lambda p=p: in_tenant(lambda: user_update(p, is_active=True)) for p in users]
    calls += [lambda n=n: in_tenant(lambda: add(limited, "users", n)) for n in range(20, 23)]
    outcome = run_concurrently(*calls)
    assert sum(isinstance(item, PlanLimitError) for item in outcome) == len(calls) - 1, outcome
    with tenant_transaction(limited.pk):
        assert (used(limited, "robots"), used(limited, "users")) == (3, 3)


def test_return_of_stale_robot_checks_limit(limited, tenant):
    with tenant(limited):
        robots = [add(limited, "robots", number) for number in range(3)]
        stale = Robot.objects.get(pk=robots[0].pk)
        robot_retire(robots[0])
        add(limited, "robots", 3)
        with pytest.raises(PlanLimitError):
            robot_return_to_service(stale)
        assert robot_return_to_service(robots[1]).is_active  # it was not retired


def test_smaller_plan_keeps_existing_rows(make_organization, tenant):
    organization = make_organization("shrinks")
    with tenant(organization):
        robots = [add(organization, "robots", number) for number in range(12)]
        Organization.objects.update(plan="free")
        organization.refresh_from_db()
        assert used(organization, "robots") == 12
        for number in range(3):
            with pytest.raises(PlanLimitError) as raised:
                add(organization, "robots", 20)
            assert (raised.value.extra["limit"], raised.value.extra["used"]) == (10, 12 - number)
            robot_retire(robots.pop())
        add(organization, "robots", 21)


def test_revoked_and_expired_keys_do_not_count(limited, tenant):
    with tenant(limited):
        keys = [add(limited, "api_keys", number) for number in range(3)]
        api_key_revoke(keys[0])
        ApiKey.objects.filter(pk=keys[1].pk).update(expires_at=timezone.now() - timedelta(hours=1))
        add(limited, "api_keys", 3)
        add(limited, "api_keys", 4)
        with pytest.raises(PlanLimitError):
            add(limited, "api_keys", 5)
        assert User.objects.filter(is_system=True).exists()  # is not counted
        assert used(limited, "users") == 0


class PlanMachine(RuleBasedStateMachine):
    """Usage never exceeds the plan, whatever is added and removed."""

    organization = None
    numbers = 0

    def __init__(self):
        super().__init__()
        self.robots, self.users = [], []

    def attempt(self, call, resource):
        with tenant_transaction(self.organization.pk):
            before = used(self.organization, resource)
            try:
                found = call()
            except PlanLimitError:
                assert before == 3
                return None
        return found

    @rule()
    def register(self):
        PlanMachine.numbers += 1
        robot = self.attempt(lambda: add(self.organization, "robots", self.numbers), "robots")
        self.robots += [robot] if robot else []

    @rule()
    def add_user(self):
        PlanMachine.numbers += 1
        user = self.attempt(lambda: add(self.organization, "users", self.numbers), "users")
        self.users += [user] if user else []

    @rule(which=st.integers(0, 9), back=st.booleans())
    def move_robot(self, which, back):
        if self.robots:
            robot = self.robots[which % len(self.robots)]
            act = robot_return_to_service if back else robot_retire
            self.attempt(lambda: act(robot), "robots")

    @rule(which=st.integers(0, 9), back=st.booleans())
    def move_user(self, which, back):
        if self.users:
            user = self.users[which % len(self.users)]
            self.attempt(lambda: user_update(user, is_active=back), "users")

    @invariant()
    def usage_within_limits(self):
        with tenant_transaction(self.organization.pk):
            for usage in quota_usage(self.organization):
                assert usage.used <= usage.limit


def test_usage_never_exceeds_limit(limited):
    PlanMachine.organization = limited

    class Machine(PlanMachine):
        def teardown(self):
            with tenant_transaction(limited.pk):
                Robot.objects.update(is_active=False)
                User.objects.update(is_active=False)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=10,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_api_error_has_limit_and_plan(limited, make_user, client_for):
    client = client_for(make_user(limited))
    body = {"name": "R", "vendor": "kuka", "model": "m"}
    for _ in range(3):
        answer = client.post("/api/v1/robots", body, content_type="application/json")
        assert answer.status_code == 201, answer.content
    answer = client.post("/api/v1/robots", body, content_type="application/json")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "plan_limit")
    assert (problem["plan"], problem["resource"], problem["limit"]) == ("custom", "robots", 3)
    shown = client.get(f"/api/v1/organizations/{limited.pk}").json()["usage"]
    assert {"resource": "robots", "used": 3, "limit": 3} in shown
    assert {"resource": "users", "used": 1, "limit": 3} in shown


def test_admin_shows_limit_error_and_usage(limited, make_user, client_for, tenant):
    client = client_for(make_user(limited))
    with tenant(limited):
        for number in range(3):
            add(limited, "robots", number)
    form = {"name": "R", "vendor": "kuka", "model": "m", "lifecycle": "active"}
    answer = client.post(reverse("admin:robots_robot_add"), form)
    assert answer.status_code == 200
    assert "The plan Custom allows 3 robots, and 3 are in use." in answer.content.decode()
    page = client.get(reverse("admin:organizations_organization_change", args=[limited.pk]))
    assert "3 of 3 robots" in page.content.decode()
    assert "1 of 3 users" in page.content.decode()
