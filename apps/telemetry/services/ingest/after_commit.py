"""Update last seen and notify live pages after a commit."""

from __future__ import annotations

from uuid import UUID

from apps.robots.services.presence import robots_contacted
from apps.telemetry.services.ingest.encoded_batch import micros_to_datetime, newest_points
from apps.telemetry.services.ingest.writer import PendingWrite
from urfmp.common.redis.events import publish, telemetry_events


def publish_points(organization_id: UUID, writes: list[PendingWrite]) -> None:
    """Update the robots' last seen and publish the newest points.

    The points are committed: a failure here loses none of them.
    """
    committed = [write for write in writes if write.error is None and write.is_live]
    robot_ids = {id_ for write in committed for id_ in write.batch.robots}
    if robot_ids:
        robots_contacted(organization_id, robot_ids)
    points = [
        (
            *write.batch.series[point.key_prefix],
            micros_to_datetime(point.time),
            point.value,
            point.unit,
        )
        for write in committed
        for point in newest_points(write.stored)
    ]
    if points:
        publish(organization_id, *telemetry_events(points))
