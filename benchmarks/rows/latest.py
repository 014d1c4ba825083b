"""Latest value of one metric of 10,000 robots."""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

from benchmarks.bench import Bench
from benchmarks.fleet import METRICS, Fleet, make_fleet
from benchmarks.history import (
    END,
    finish_fleet,
    make_robots,
    reusable_fleet,
    roll_up_all,
    timed_get,
)
from benchmarks.result import Result

_ROBOTS = 10_000
_TARGET_SECONDS = 0.1
_REPEATS = 10
_SLUG = "bench-latest"
_POINTS = """
    INSERT INTO robot_telemetry (robot_id, metric_name, time, value, unit)
    SELECT r.id, m.name, %(time)s::timestamptz + n * interval '1 second', random() * 100, m.unit
    FROM robots r
    CROSS JOIN unnest(%(metrics)s::text[], %(units)s::text[]) AS m (name, unit)
    CROSS JOIN generate_series(0, 4) AS n
    WHERE r.organization_id = %(organization)s
"""
# As if sent by ten gateways.
_BATCHES = """
    INSERT INTO telemetry_batches
        (organization_id, robot_ids, metric_names, least_time, greatest_time)
    SELECT %(organization)s, array_agg(r.id), %(metrics)s, %(time)s,
           %(time)s::timestamptz + interval '4 seconds'
    FROM robots r WHERE r.organization_id = %(organization)s
    GROUP BY hashtext(r.id::text) %% 10
"""
_FROM_POINTS = """
    SELECT r.id, last.* FROM robots r CROSS JOIN LATERAL (
        SELECT t.time, t.value, t.unit FROM robot_telemetry t
        WHERE t.robot_id = r.id AND t.metric_name = %(metric)s ORDER BY t.time DESC LIMIT 1
    ) AS last
    WHERE r.organization_id = %(organization)s
"""


def run(bench: Bench) -> Result:
    """Request all values in one page, with and without pending rollups."""
    fleet = reusable_fleet(bench, _SLUG, lambda: _create(bench))
    metric = METRICS[0][0]
    path = f"/api/v1/telemetry/latest?metrics={metric}&page_size={_ROBOTS}"
    with bench.server() as server, bench.connect("owner") as connection:
        get = timed_get(server, fleet, path)
        if len(json.loads(get()[1])["results"]) != _ROBOTS:
            msg = "some robots have no value"
            raise RuntimeError(msg)

        def latest(_: int) -> float:
            return statistics.median(get()[0] for _ in range(_REPEATS)) * 1000

        def from_points(_: int) -> float:
            began = time.perf_counter()
            values = {"metric": metric, "organization": fleet.organization_id}
            connection.execute(_FROM_POINTS, values).fetchall()
            return (time.perf_counter() - began) * 1000

        ours, yardstick = bench.medians(latest, from_points)
        connection.execute(_BATCHES, _values(fleet))
        pending = latest(0)
    roll_up_all(fleet.organization_id)
    return Result(
        f"latest values of {_ROBOTS:,} robots",
        f"{ours:.0f} ms",
        f"looked up in the points: {yardstick:,.0f} ms",
        f"{ours / yardstick:.2f}",
        f"< {_TARGET_SECONDS * 1000:.0f} ms",
        ours < _TARGET_SECONDS * 1000,
        [f"with a pending batch for every robot: {pending:.0f} ms"],
    )


def _create(bench: Bench) -> None:
    fleet = make_fleet(0)
    make_robots(bench, fleet, _ROBOTS)
    with bench.connect("owner") as connection:
        connection.execute(_POINTS, _values(fleet))
        connection.execute(_BATCHES, _values(fleet))
    finish_fleet(bench, fleet, _SLUG)


def _values(fleet: Fleet) -> dict[str, Any]:
    return {
        "organization": fleet.organization_id,
        "time": END,
        "metrics": [metric for metric, _ in METRICS],
        "units": [unit for _, unit in METRICS],
    }
