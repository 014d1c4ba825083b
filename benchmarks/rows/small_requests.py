"""Many small requests beside an empty view of the same server."""

from __future__ import annotations

from itertools import repeat

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.fleet import Day, body, make_fleet, robot_points
from benchmarks.result import Result

_POINTS, _CONNECTIONS, _SECONDS = 20, 64, 6.0
_TARGET = 0.5


def run(bench: Bench) -> Result:
    """Send from 64 connections; afterwards every answered point has to be in the table."""
    fleet = make_fleet(200)
    slowest: list[float] = []
    with bench.server() as server:
        address = (server.host, server.port)

        def small_requests(turn: int) -> float:
            with Day(bench, 300 - turn) as day:
                batches = robot_points(fleet, day.start, batch=_POINTS)
                made = [fleet.request(body(next(batches))) for _ in range(int(_SECONDS * 4000))]
                crew = load.Crew(iter(made), _CONNECTIONS)
                seconds = load.run(address, crew, seconds=_SECONDS)
                answered = crew.statuses[200]
                if set(crew.statuses) != {200} or day.count() != answered * _POINTS:
                    msg = f"not everything was stored: {crew.statuses}, {day.count()} rows"
                    raise RuntimeError(msg)
                slowest.append(load.percentile(crew.seconds, 0.95))
            return answered / seconds

        def empty_view(_: int) -> float:
            crew = load.Crew(repeat(load.request_bytes("/yardstick/empty", {})), _CONNECTIONS)
            seconds = load.run(address, crew, seconds=_SECONDS)
            if set(crew.statuses) != {200}:
                msg = f"the empty view failed: {crew.statuses}"
                raise RuntimeError(msg)
            return crew.statuses[200] / seconds

        small_requests(bench.rounds)
        ours, yardstick = bench.medians(small_requests, empty_view)
    ratio = ours / yardstick
    return Result(
        "20-point requests from 64 connections",
        f"{ours:,.0f} requests/s",
        f"empty view: {yardstick:,.0f}/s",
        f"{ratio:.2f}",
        f">= {_TARGET}",
        ratio >= _TARGET,
        [f"p95 of a request: {sorted(slowest)[len(slowest) // 2] * 1000:.0f} ms"],
    )
