"""Authentication of streams, called directly, without a server."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services.api_tokens import token_pair_issue
from apps.organizations.services.organizations import organization_update
from apps.robots.models import Robot
from tests.support import telemetry_points
from urfmp.common.redis.events import StatusEvent, TelemetryEvent
from urfmp.common.tenancy.context import Actor
from urfmp.live.authentication import PresentedCredential, authenticate
from urfmp.live.http.errors import HttpError
from urfmp.live.selectors import new_events, recent_statuses

SCOPES = ["robots:read", "telemetry:read"]


def denied(credential, robots=()):
    with pytest.raises(HttpError) as error:
        authenticate(credential, robots)
    return error.value.status, error.value.code


def key_credential(text, ip_address="192.0.2.9"):
    return PresentedCredential(text, ip_address=ip_address)


@pytest.fixture
def session(alice, client_for):
    return PresentedCredential(
        client_for(alice).cookies[settings.SESSION_COOKIE_NAME].value, is_session=True
    )


@pytest.fixture
def token(alice):
    return PresentedCredential(token_pair_issue(alice, Actor()).access_token)


def test_key_from_ip_outside_allow_list_is_denied(organization_a, make_key):
    key = make_key(organization_a, SCOPES, allowed_networks=["192.0.2.0/24"])
    assert authenticate(key_credential(key), ()).robots is None
    for address in ("198.51.100.7", None):
        assert denied(key_credential(key, address)) == (403, "address_not_allowed")


@pytest.mark.parametrize("scopes", [["robots:read"], ["telemetry:read"], []])
def test_key_without_both_scopes_is_denied(organization_a, make_key, scopes):
    assert denied(key_credential(make_key(organization_a, scopes))) == (403, "permission_denied")


@pytest.mark.parametrize("kind", ["session", "token"])
def test_changed_password_invalidates_credential(kind, request, alice, organization_a, tenant):
    credential = request.getfixturevalue(kind)
    assert authenticate(credential, ()).subject == alice.pk
    with tenant(organization_a):
        alice.set_password("another long password 1")
        User.objects.filter(pk=alice.pk).update(password=alice.password)
    assert denied(credential)[0] == 401


@pytest.mark.parametrize("kind", ["session", "token"])
def test_user_without_required_second_factor_is_denied(
    kind, request, alice, organization_a, tenant
):
    credential = request.getfixturevalue(kind)
    with tenant(organization_a):
        organization_update(organization_a, settings={"second_factor_required": True})
    assert denied(credential) == (403, "second_factor_setup_required")


def test_foreign_robot_gets_404(session, organization_a, organization_b, make_robot, make_key):
    own, other, foreign = (
        make_robot(organization)
        for organization in (organization_a, organization_a, organization_b)
    )
    assert authenticate(session, [own.pk, other.pk]).robots == {own.pk, other.pk}
    assert denied(session, [own.pk, foreign.pk]) == (404, "not_found")
    device = key_credential(make_key(organization_a, SCOPES, robot=own))
    assert authenticate(device, ()).robots == {own.pk}
    assert authenticate(device, [own.pk]).robots == {own.pk}
    assert denied(device, [other.pk]) == (404, "not_found")


def test_selectors_return_only_subscribed_robots(
    organization_a, organization_b, make_robot, tenant
):
    now = timezone.now()
    robots = []
    for organization in (organization_a, organization_a, organization_b):
        robots.append(make_robot(organization))
        telemetry_points.insert_points(robots[-1], "a", [(now + timedelta(minutes=1), 1.0)])
        with tenant(organization):
            Robot.objects.update(last_seen=now)
    subscribed, other, _ = robots

    def robots_in_events(requested):
        statuses = recent_statuses(organization_a.pk, requested, timedelta(minutes=1))
        events = new_events(
            organization_a.pk, requested, changed_since=now - timedelta(minutes=1), seen_until={}
        )
        points = [event for event in events if isinstance(event, TelemetryEvent)]
        changes = [event for event in events if isinstance(event, StatusEvent)]
        return [{event.robot_id for event in found} for found in (statuses, points, changes)]

    assert robots_in_events([subscribed.pk]) == [{subscribed.pk}] * 3
    assert robots_in_events(None) == [{subscribed.pk, other.pk}] * 3
