"""Large amounts of data for the read benchmarks.

The database generates the points, the product's own code rolls them up. They are kept for later
runs.
"""

from __future__ import annotations

import http.client
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from benchmarks.bench import Bench, log_progress
from benchmarks.fleet import METRICS, Fleet, create_key, make_fleet
from benchmarks.server import Server

DAYS = 30
_POINTS_PER_SERIES = DAYS * 86_400
# A fixed day, so that the data of one run serves the next.
END = datetime(2026, 6, 30, tzinfo=UTC)
START = END - timedelta(days=DAYS)

_POINTS = """
    INSERT INTO robot_telemetry (robot_id, metric_name, time, value, unit)
    SELECT s.robot_id, s.metric_name, t.time,
           100 * sin(extract(epoch FROM t.time) / 3600) + random(), s.unit
    FROM generate_series(%(start)s::timestamptz, %(end)s::timestamptz - interval '1 second',
                         interval '1 second') AS t (time)
    CROSS JOIN unnest(%(robots)s::uuid[], %(metrics)s::text[], %(units)s::text[])
        AS s (robot_id, metric_name, unit)
"""
_BATCHES = """
    INSERT INTO telemetry_batches
        (organization_id, robot_ids, metric_names, least_time, greatest_time)
    SELECT %(organization)s, ARRAY[s.robot_id], array_agg(s.metric_name),
           t.time, t.time + interval '599 seconds'
    FROM generate_series(%(start)s::timestamptz, %(end)s::timestamptz - interval '1 second',
                         interval '10 minutes') AS t (time)
    CROSS JOIN unnest(%(robots)s::uuid[], %(metrics)s::text[]) AS s (robot_id, metric_name)
    GROUP BY s.robot_id, t.time
"""
_ROBOTS = """
    INSERT INTO robots (organization_id, name, vendor, serial_number, configuration)
    SELECT %s, 'Robot ' || n, 'universal_robots', 'L-' || n, '{"axes": 6}'
    FROM generate_series(1, %s) AS n
"""


@dataclass(frozen=True)
class History:
    """Thirty days at 1 Hz.

    Attributes:
        fleet: Fleet that sent the points.
        robot_id: One robot of the fleet.
        metric: One metric of that robot.
        rows: Number of all points.
    """

    fleet: Fleet
    robot_id: UUID
    metric: str
    rows: int


def history(bench: Bench) -> History:
    """Return thirty days of series with `bench.rows` points in total."""
    count = max(1, round(bench.rows / _POINTS_PER_SERIES))
    slug = f"bench-history-{count}"
    fleet = reusable_fleet(bench, slug, lambda: _create(bench, slug, count))
    robot_id = fleet.robot_ids[0]
    return History(fleet, robot_id, METRICS[0][0], count * _POINTS_PER_SERIES)


def _create(bench: Bench, slug: str, count: int) -> None:
    fleet = make_fleet(-(-count // len(METRICS)))
    series = [(robot, metric, unit) for robot in fleet.robot_ids for metric, unit in METRICS]
    log_progress(f"  generating {count} series of {_POINTS_PER_SERIES:,} points")
    began = time.monotonic()
    with bench.connect("owner") as connection:
        for day in range(DAYS):
            values = {
                "organization": fleet.organization_id,
                "start": START + timedelta(days=day),
                "end": START + timedelta(days=day + 1),
                "robots": [robot for robot, _, _ in series[:count]],
                "metrics": [metric for _, metric, _ in series[:count]],
                "units": [unit for _, _, unit in series[:count]],
            }
            connection.execute(_POINTS, values)
            connection.execute(_BATCHES, values)
    log_progress(f"  generated in {time.monotonic() - began:.0f} s")
    finish_fleet(bench, fleet, slug)


def roll_up_all(organization_id: UUID) -> float:
    """Roll up everything as the worker does; return the elapsed seconds."""
    from apps.telemetry.services.rollups import roll_up  # noqa: PLC0415 - Django is set up here

    began = time.monotonic()
    while roll_up(organization_id):
        pass
    return time.monotonic() - began


def make_robots(bench: Bench, fleet: Fleet, robots: int) -> None:
    """Insert robots in one statement."""
    with bench.connect("owner") as connection:
        connection.execute(_ROBOTS, [fleet.organization_id, robots])


def finish_fleet(bench: Bench, fleet: Fleet, slug: str) -> None:
    """Roll up the data and give the organization its final slug.

    A later run finds the fleet by that slug.
    """
    log_progress(f"  rolled up in {roll_up_all(fleet.organization_id):.0f} s")
    with bench.connect("owner") as connection:
        for table in (
            "robot_telemetry", "telemetry_minutes", "telemetry_hours", "telemetry_days",
            "telemetry_latest", "telemetry_batches", "robots",
        ):  # fmt: skip
            connection.execute(f"VACUUM ANALYZE {table}")
        connection.execute(
            "UPDATE organizations SET slug = %s WHERE id = %s", [slug, fleet.organization_id]
        )


def reusable_fleet(bench: Bench, slug: str, make: Callable[[], None]) -> Fleet:
    """Return the fleet with this slug and a new API key.

    `make` is called if the fleet does not exist yet.
    """
    query = "SELECT id FROM organizations WHERE slug = %s"
    with bench.connect("owner") as connection:
        if (row := connection.execute(query, [slug]).fetchone()) is None:
            make()
            row = connection.execute(query, [slug]).fetchone()
        organization_id = row[0] if row else uuid.UUID(int=0)
        robots = connection.execute(
            "SELECT id FROM robots WHERE organization_id = %s ORDER BY serial_number",
            [organization_id],
        ).fetchall()
    key = create_key(organization_id)
    return Fleet(organization_id, [row[0] for row in robots], key)


def timed_get(server: Server, fleet: Fleet, path: str) -> Callable[[], tuple[float, bytes]]:
    """Return a function that requests a path over one connection.

    The function returns the elapsed seconds and the response body.
    """
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)

    def get() -> tuple[float, bytes]:
        began = time.perf_counter()
        with suppress(http.client.RemoteDisconnected):
            connection.request("GET", path, headers={"Authorization": f"Bearer {fleet.key}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            msg = f"{path} returned {answer.status}: {body[:200]!r}"
            raise RuntimeError(msg)
        return time.perf_counter() - began, body

    return get
