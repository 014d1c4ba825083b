"""Streams of deactivated organizations, and of super admins who switch organizations."""

from __future__ import annotations

import time

from apps.organizations.services.platform import organization_deactivate
from tests.live.conftest import REVOCATION_SECONDS
from urfmp.common.redis.events import StatusEvent, publish


def switch_organization(client, organization):
    body = {"organization": str(organization.pk) if organization else None}
    response = client.post(
        "/api/v1/auth/choose-organization", body, content_type="application/json"
    )
    assert response.status_code == 200, response.content


def seconds_until_closed(stream):
    """Return how long a stream stays open, whatever events it sends."""
    began = time.monotonic()
    while stream.next() is not None:
        pass
    return time.monotonic() - began


def test_organization_deactivate_closes_its_streams(
    live, organization_a, alice, charlie, client_for, make_key, tenant
):
    streams = [
        live.stream(client_for(alice)),
        live.stream(make_key(organization_a, ["robots:read", "telemetry:read"])),
    ]
    foreign = live.stream(client_for(charlie))
    assert [stream.status for stream in (*streams, foreign)] == [200] * 3
    with tenant(organization_a):
        organization_deactivate(organization_a)
    for stream in streams:
        assert seconds_until_closed(stream) < REVOCATION_SECONDS
    assert foreign.is_silent(0.3)


def test_stream_of_super_admin_closes_on_organization_switch(
    live, organization_a, organization_b, root, client_for, make_robot
):
    client = client_for(root)
    robot, other = make_robot(organization_a), make_robot(organization_b)
    assert live.stream(client, robot=robot.pk).status == 404
    home = live.stream(client)
    switch_organization(client, organization_a)
    assert seconds_until_closed(home) < REVOCATION_SECONDS

    stream = live.stream(client)
    assert stream.welcome["organization"] == str(organization_a.pk)
    publish(organization_b.pk, StatusEvent(other.pk, "error"))
    publish(organization_a.pk, StatusEvent(robot.pk, "idle"))
    events = [stream.next_of("status"), *stream.all_within(0.3)]
    assert {event["robot_id"] for event in events if "robot_id" in event} == {str(robot.pk)}
    assert live.stream(client, robot=other.pk).status == 404

    switch_organization(client, None)
    assert seconds_until_closed(stream) < REVOCATION_SECONDS
    assert live.stream(client, robot=robot.pk).status == 404
