"""Who is let in to a stream, and what of: asked directly, without a server."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services.api_tokens import token_pair_issue
from apps.organizations.services.organizations import organization_update
from apps.robots.models import Robot
from tests.support import telemetry_storing
from urfmp.common.redis.events import StatusEvent, TelemetryEvent
from urfmp.common.tenancy.context import Actor
from urfmp.live.authentication import PresentedCredential, authenticate
from urfmp.live.http.errors import HttpError
from urfmp.live.selectors import new_events, recent_statuses

SCOPES = ["robots:read", "telemetry:read"]


def refused(credential, robots=()):
    with pytest.raises(HttpError) as problem:
        authenticate(credential, robots)
    return problem.value.status, problem.value.code


def key_of(text, address="192.0.2.9"):
    return PresentedCredential(text, is_key=True, address=address)


@pytest.fixture
def session(alice, client_for):
    return PresentedCredential(
        client_for(alice).cookies[settings.SESSION_COOKIE_NAME].value, is_key=False
    )


@pytest.fixture
def token(alice):
    return PresentedCredential(token_pair_issue(alice, Actor()).access_token, is_key=True)


def test_a_key_is_taken_from_its_networks_alone(organization_a, make_key):
    key = make_key(organization_a, SCOPES, allowed_networks=["192.0.2.0/24"])
    assert authenticate(key_of(key), ()).robots is None
    for address in ("198.51.100.7", None):
        assert refused(key_of(key, address)) == (403, "address_not_allowed")


@pytest.mark.parametrize("scopes", [["robots:read"], ["telemetry:read"], []])
def test_both_rights_are_needed(organization_a, make_key, scopes):
    assert refused(key_of(make_key(organization_a, scopes))) == (403, "permission_denied")


@pytest.mark.parametrize("way", ["session", "token"])
def test_a_password_that_was_changed_behind_our_back_ends_it(
    way, request, alice, organization_a, tenant
):
    credential = request.getfixturevalue(way)
    assert authenticate(credential, ()).subject == alice.pk
    with tenant(organization_a):
        alice.set_password("another long password 1")
        User.objects.filter(pk=alice.pk).update(password=alice.password)
    assert refused(credential)[0] == 401


@pytest.mark.parametrize("way", ["session", "token"])
def test_a_second_factor_that_is_required_comes_first(way, request, alice, organization_a, tenant):
    credential = request.getfixturevalue(way)
    with tenant(organization_a):
        organization_update(organization_a, settings={"second_factor_required": True})
    assert refused(credential) == (403, "second_factor_setup_required")


def test_robots_of_others_are_not_there(
    session, organization_a, organization_b, make_robot, make_key
):
    own, other, foreign = (
        make_robot(organization)
        for organization in (organization_a, organization_a, organization_b)
    )
    assert authenticate(session, [own.pk, other.pk]).robots == {own.pk, other.pk}
    assert refused(session, [own.pk, foreign.pk]) == (404, "not_found")
    device = key_of(make_key(organization_a, SCOPES, robot=own))
    assert authenticate(device, ()).robots == {own.pk}
    assert authenticate(device, [own.pk]).robots == {own.pk}
    assert refused(device, [other.pk]) == (404, "not_found")


def test_what_is_read_is_of_the_robots_that_are_watched(
    organization_a, organization_b, make_robot, tenant
):
    now = timezone.now()
    robots = []
    for organization in (organization_a, organization_a, organization_b):
        robots.append(make_robot(organization))
        telemetry_storing.store(robots[-1], "a", [(now + timedelta(minutes=1), 1.0)])
        with tenant(organization):
            Robot.objects.update(last_seen=now)
    watched, other, _ = robots

    def seen(which):
        statuses = recent_statuses(organization_a.pk, which, timedelta(minutes=1))
        events = new_events(
            organization_a.pk, which, changed_since=now - timedelta(minutes=1), seen_until={}
        )
        points = [event for event in events if isinstance(event, TelemetryEvent)]
        changes = [event for event in events if isinstance(event, StatusEvent)]
        return [{event.robot_id for event in found} for found in (statuses, points, changes)]

    assert seen([watched.pk]) == [{watched.pk}] * 3
    assert seen(None) == [{watched.pk, other.pk}] * 3
