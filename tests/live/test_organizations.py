"""Streams end with their organization, and do not follow a super admin out of one."""

from __future__ import annotations

import time

from apps.organizations.services.platform import organization_deactivate
from tests.live.conftest import SOON
from urfmp.common.redis.events import StatusEvent, publish


def enter(client, organization):
    body = {"organization": str(organization.pk) if organization else None}
    answer = client.post("/api/v1/auth/choose-organization", body, content_type="application/json")
    assert answer.status_code == 200, answer.content


def seconds_to_the_end(stream):
    """Return how long a stream goes on; whatever it still says counts for nothing."""
    began = time.monotonic()
    while stream.next() is not None:
        pass
    return time.monotonic() - began


def test_deactivation_closes_every_stream(
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
        assert seconds_to_the_end(stream) < SOON
    assert foreign.is_silent(0.3)


def test_a_stream_is_of_the_chosen_organization(
    live, organization_a, organization_b, root, client_for, make_robot
):
    client = client_for(root)
    robot, other = make_robot(organization_a), make_robot(organization_b)
    assert live.stream(client, robot=robot.pk).status == 404
    home = live.stream(client)
    enter(client, organization_a)
    assert seconds_to_the_end(home) < SOON

    stream = live.stream(client)
    assert stream.welcome["organization"] == str(organization_a.pk)
    publish(organization_b.pk, StatusEvent(other.pk, "error"))
    publish(organization_a.pk, StatusEvent(robot.pk, "idle"))
    events = [stream.next_of("status"), *stream.all_within(0.3)]
    assert {event["robot_id"] for event in events if "robot_id" in event} == {str(robot.pk)}
    assert live.stream(client, robot=other.pk).status == 404

    enter(client, None)
    assert seconds_to_the_end(stream) < SOON
    assert live.stream(client, robot=robot.pk).status == 404
