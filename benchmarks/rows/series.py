"""A chart of thirty days beside a query over the points."""

from __future__ import annotations

import json
import statistics
import time
from urllib.parse import urlencode

from benchmarks.bench import Bench
from benchmarks.history import END, START, history, timed_get
from benchmarks.result import Result

_TARGET_SECONDS = 0.1
_MAX_POINTS = 2000
_REPEATS = 20
_FROM_POINTS = """
    SELECT time_bucket('1 hour', time), avg(value), min(value), max(value) FROM robot_telemetry
    WHERE robot_id = %s AND metric_name = %s AND time >= %s AND time < %s
    GROUP BY 1 ORDER BY 1
"""


def run(bench: Bench) -> Result:
    """Request a series whose range begins and ends inside a bucket."""
    data = history(bench)
    parameters = {
        "metrics": data.metric,
        "start": START.replace(minute=7, second=13).isoformat(),
        "end": END.isoformat(),
        "max_points": _MAX_POINTS,
    }
    path = f"/api/v1/robots/{data.robot_id}/telemetry/series?{urlencode(parameters)}"
    with bench.server() as server, bench.connect() as connection:
        get = timed_get(server, data.fleet, path)
        (one,) = json.loads(get()[1])["series"]

        def series(_: int) -> float:
            return statistics.median(get()[0] for _ in range(_REPEATS)) * 1000

        def from_points(_: int) -> float:
            began = time.perf_counter()
            connection.execute(_FROM_POINTS, [data.robot_id, data.metric, START, END]).fetchall()
            return (time.perf_counter() - began) * 1000

        ours, yardstick = bench.medians(series, from_points)
    points = len(one["points"])
    return Result(
        f"30 days at 1 Hz out of {data.rows / 1e6:,.0f} M rows",
        f"{ours:.0f} ms, {points} points",
        f"time_bucket over the points: {yardstick:,.0f} ms",
        f"{ours / yardstick:.3f}",
        f"< {_TARGET_SECONDS * 1000:.0f} ms, <= {_MAX_POINTS} points",
        ours < _TARGET_SECONDS * 1000 and 0 < points <= _MAX_POINTS,
        [f"buckets of {one['resolution_seconds']} s; {one['aggregations']}"],
    )
