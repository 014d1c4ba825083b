"""Telemetry over HTTP beside one stream of COPY into the same table."""

from __future__ import annotations

import time
from itertools import islice

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.fleet import (
    COPY,
    COPY_END,
    COPY_HEAD,
    Day,
    body,
    copy_rows,
    gateway_points,
    make_fleet,
)
from benchmarks.result import Result

_BATCH, _BATCHES, _CONNECTIONS = 5000, 40, 6
_TARGET, _AIM = 0.85, 1.5


def run(bench: Bench) -> Result:
    """Post batches of 5,000 and copy the same rows, each into a chunk of its own."""
    fleet = make_fleet(100)
    points = _BATCH * _BATCHES
    with bench.server() as server:

        def over_http(turn: int) -> float:
            with Day(bench, 300 - turn) as day:
                batches = islice(gateway_points(fleet, day.start, batch=_BATCH), _BATCHES)
                requests = [fleet.request(body(batch)) for batch in batches]
                crew = load.Crew(iter(requests), _CONNECTIONS)
                seconds = load.run((server.host, server.port), crew)
                if crew.statuses != {200: _BATCHES} or day.count() != points:
                    msg = f"not everything was stored: {crew.statuses}, {day.count()} rows"
                    raise RuntimeError(msg)
            return points / seconds

        def by_copy(turn: int) -> float:
            with Day(bench, 330 - turn) as day, bench.connect() as connection:
                batches = islice(gateway_points(fleet, day.start, batch=_BATCH), _BATCHES)
                rows = [copy_rows(batch) for batch in batches]
                began = time.perf_counter()
                with connection.cursor() as cursor, cursor.copy(COPY) as copy:
                    copy.write(COPY_HEAD)
                    for part in rows:
                        copy.write(part)
                    copy.write(COPY_END)
                seconds = time.perf_counter() - began
                if day.count() != points:
                    msg = f"not everything was copied: {day.count()} rows"
                    raise RuntimeError(msg)
            return points / seconds

        over_http(bench.rounds)  # the first requests of a process load and connect
        ours, yardstick = bench.medians(over_http, by_copy)
    ratio = ours / yardstick
    return Result(
        "ingest over HTTP, batches of 5,000",
        f"{ours:,.0f} points/s",
        f"one binary COPY: {yardstick:,.0f}/s",
        f"{ratio:.2f}",
        f">= {_TARGET} (aim {_AIM})",
        ratio >= _TARGET,
    )
