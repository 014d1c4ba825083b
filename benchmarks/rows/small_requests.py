"""Many small requests beside an empty view of the same server."""

from __future__ import annotations

from itertools import repeat

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.fleet import ScratchDay, body, make_fleet, robot_points
from benchmarks.result import Result

_BATCH_POINTS = 20
_CONNECTIONS = 64
_SECONDS = 6.0
_TARGET_RATIO = 0.5


def run(bench: Bench) -> Result:
    """Send from 64 connections and check that every point is stored."""
    fleet = make_fleet(200)
    slowest: list[float] = []
    with bench.server() as server:
        address = (server.host, server.port)

        def small_requests(turn: int) -> float:
            with ScratchDay(bench, 300 - turn) as day:
                batches = robot_points(fleet, day.start, batch=_BATCH_POINTS)
                made = [fleet.request(body(next(batches))) for _ in range(int(_SECONDS * 4000))]
                group = load.ClientGroup(iter(made), _CONNECTIONS)
                seconds = load.run(address, group, seconds=_SECONDS)
                answered = group.statuses[200]
                if set(group.statuses) != {200} or day.count() != answered * _BATCH_POINTS:
                    msg = f"some points were not stored: {group.statuses}, {day.count()} rows"
                    raise RuntimeError(msg)
                slowest.append(load.percentile(group.seconds, 0.95))
            return answered / seconds

        def empty_view(_: int) -> float:
            group = load.ClientGroup(
                repeat(load.request_bytes("/yardstick/empty", {})), _CONNECTIONS
            )
            seconds = load.run(address, group, seconds=_SECONDS)
            if set(group.statuses) != {200}:
                msg = f"the empty view failed: {group.statuses}"
                raise RuntimeError(msg)
            return group.statuses[200] / seconds

        small_requests(bench.rounds)
        ours, yardstick = bench.medians(small_requests, empty_view)
    ratio = ours / yardstick
    return Result(
        "20-point requests from 64 connections",
        f"{ours:,.0f} requests/s",
        f"empty view: {yardstick:,.0f}/s",
        f"{ratio:.2f}",
        f">= {_TARGET_RATIO}",
        ratio >= _TARGET_RATIO,
        [f"p95 of a request: {sorted(slowest)[len(slowest) // 2] * 1000:.0f} ms"],
    )
