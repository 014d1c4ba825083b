"""Telemetry over HTTP beside one stream of COPY into the same table."""

from __future__ import annotations

import time
from itertools import islice

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.fleet import (
    COPY,
    COPY_HEADER,
    COPY_TRAILER,
    ScratchDay,
    body,
    copy_rows,
    gateway_points,
    make_fleet,
)
from benchmarks.result import Result

_BATCH_POINTS = 5000
_BATCHES = 40
_CONNECTIONS = 6
_VERIFIED = """
    SELECT set_config('app.organization_id', %(organization)s, false),
           set_config('app.robots_verified', %(organization)s, false)
"""
_TARGET_RATIO = 0.85
_AIM_RATIO = 1.5


def run(bench: Bench) -> Result:
    """Post batches of 5,000 and copy the same rows into another chunk."""
    fleet = make_fleet(100)
    points = _BATCH_POINTS * _BATCHES
    with bench.server() as server:

        def over_http(turn: int) -> float:
            with ScratchDay(bench, 300 - turn) as day:
                batches = islice(gateway_points(fleet, day.start, batch=_BATCH_POINTS), _BATCHES)
                requests = [fleet.request(body(batch)) for batch in batches]
                group = load.ClientGroup(iter(requests), _CONNECTIONS)
                seconds = load.run((server.host, server.port), group)
                if group.statuses != {200: _BATCHES} or day.count() != points:
                    msg = f"some points were not stored: {group.statuses}, {day.count()} rows"
                    raise RuntimeError(msg)
            return points / seconds

        def by_copy(turn: int) -> float:
            with ScratchDay(bench, 330 - turn) as day, bench.connect() as connection:
                batches = islice(gateway_points(fleet, day.start, batch=_BATCH_POINTS), _BATCHES)
                rows = [copy_rows(batch) for batch in batches]
                # As ingest does after it has verified the robots of a batch.
                connection.execute(_VERIFIED, {"organization": str(fleet.organization_id)})
                began = time.perf_counter()
                with connection.cursor() as cursor, cursor.copy(COPY) as copy:
                    copy.write(COPY_HEADER)
                    for part in rows:
                        copy.write(part)
                    copy.write(COPY_TRAILER)
                seconds = time.perf_counter() - began
                if day.count() != points:
                    msg = f"some rows were not copied: {day.count()} rows"
                    raise RuntimeError(msg)
            return points / seconds

        over_http(bench.rounds)  # warm-up: the first requests of a process import and connect
        ours, yardstick = bench.medians(over_http, by_copy)
    ratio = ours / yardstick
    return Result(
        "ingest over HTTP, batches of 5,000",
        f"{ours:,.0f} points/s",
        f"one binary COPY: {yardstick:,.0f}/s",
        f"{ratio:.2f}",
        f">= {_TARGET_RATIO} (aim {_AIM_RATIO})",
        ratio >= _TARGET_RATIO,
    )
