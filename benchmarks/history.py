"""Much data to read: made by the database, rolled up as the worker does, kept for later runs."""

from __future__ import annotations

import http.client
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from benchmarks.bench import Bench, say
from benchmarks.fleet import METRICS, Fleet, make_fleet
from benchmarks.server import Server

DAYS = 30
_A_SERIES = DAYS * 86_400
# A day that does not move, so that what one run has made serves the next.
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
    """Thirty days at 1 Hz: a robot and a metric of its fleet, and the number of all points."""

    fleet: Fleet
    robot_id: UUID
    metric: str
    rows: int


def history(bench: Bench) -> History:
    """Return thirty days of as many series as make `bench.rows` points."""
    count = max(1, round(bench.rows / _A_SERIES))
    slug = f"bench-history-{count}"
    fleet = kept_fleet(bench, slug, lambda: _make(bench, slug, count))
    robot_id = fleet.robot_ids[0]
    return History(fleet, robot_id, METRICS[0][0], count * _A_SERIES)


def _make(bench: Bench, slug: str, count: int) -> None:
    fleet = make_fleet(-(-count // len(METRICS)))
    series = [(robot, metric, unit) for robot in fleet.robot_ids for metric, unit in METRICS]
    say(f"  making {count} series of {_A_SERIES:,} points")
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
    say(f"  made in {time.monotonic() - began:.0f} s")
    finish_fleet(bench, fleet, slug)


def roll_up_all(organization_id: UUID) -> float:
    """Do what the worker does until nothing is left; return the seconds that it took."""
    from apps.telemetry.services.rollups import roll_up  # noqa: PLC0415 - Django is set up by now

    began = time.monotonic()
    while roll_up(organization_id):
        pass
    return time.monotonic() - began


def make_robots(bench: Bench, fleet: Fleet, robots: int) -> None:
    """Add robots in one statement."""
    with bench.connect("owner") as connection:
        connection.execute(_ROBOTS, [fleet.organization_id, robots])


def finish_fleet(bench: Bench, fleet: Fleet, slug: str) -> None:
    """Roll up what was made, and give the organization the name under which it is found again."""
    say(f"  rolled up in {roll_up_all(fleet.organization_id):.0f} s")
    with bench.connect("owner") as connection:
        for table in (
            "robot_telemetry", "telemetry_minutes", "telemetry_hours", "telemetry_days",
            "telemetry_latest", "telemetry_batches", "robots",
        ):  # fmt: skip
            connection.execute(f"VACUUM ANALYZE {table}")
        connection.execute(
            "UPDATE organizations SET slug = %s WHERE id = %s", [slug, fleet.organization_id]
        )


def kept_fleet(bench: Bench, slug: str, make: Callable[[], None]) -> Fleet:
    """Return the fleet of that name with a new key; `make` is called where there is none yet."""
    from apps.accounts.services.api_keys import api_key_create  # noqa: PLC0415
    from apps.accounts.services.users import system_user_get  # noqa: PLC0415
    from urfmp.common.tenancy.context import tenant_transaction  # noqa: PLC0415

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
    with tenant_transaction(organization_id):
        _, key = api_key_create(
            organization_id=organization_id,
            user=system_user_get(organization_id=organization_id),
            name="bench",
            permissions=["telemetry:write", "telemetry:read", "robots:read"],
            rate_limit=1_000_000_000,
        )
    return Fleet(organization_id, [row[0] for row in robots], key)


def asker(server: Server, fleet: Fleet, path: str) -> Callable[[], tuple[float, bytes]]:
    """Return a function that asks for a path over one connection: seconds, and the answer."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)

    def ask() -> tuple[float, bytes]:
        began = time.perf_counter()
        with suppress(http.client.RemoteDisconnected):
            connection.request("GET", path, headers={"Authorization": f"Bearer {fleet.key}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            msg = f"{path} answered {answer.status}: {body[:200]!r}"
            raise RuntimeError(msg)
        return time.perf_counter() - began, body

    return ask
