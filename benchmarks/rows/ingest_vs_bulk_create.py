"""Telemetry over HTTP beside a DRF view with a serializer and `bulk_create`."""

from __future__ import annotations

from itertools import islice

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.fleet import ScratchDay, body, gateway_points, make_fleet
from benchmarks.result import Result

_BATCH_POINTS = 5000
_CONNECTIONS = 6
_TARGET_RATIO = 5.0


def run(bench: Bench) -> Result:
    """Post the same kind of batches to both views of one server."""
    fleet = make_fleet(100)
    with bench.server() as server:

        def measure(path: str, batches: int, days_ago: int) -> float:
            with ScratchDay(bench, days_ago) as day:
                made = islice(gateway_points(fleet, day.start, batch=_BATCH_POINTS), batches)
                requests = [fleet.request(body(batch), path) for batch in made]
                group = load.ClientGroup(iter(requests), _CONNECTIONS)
                seconds = load.run((server.host, server.port), group)
                if group.statuses != {200: batches} or day.count() != _BATCH_POINTS * batches:
                    msg = f"some points were not stored: {group.statuses}, {day.count()} rows"
                    raise RuntimeError(msg)
            return _BATCH_POINTS * batches / seconds

        def over_http(turn: int) -> float:
            return measure("/api/v1/telemetry", 40, 300 - turn)

        def bulk_create(turn: int) -> float:
            return measure("/api/v1/yardstick/bulk-create", 8, 330 - turn)

        over_http(bench.rounds)
        ours, yardstick = bench.medians(over_http, bulk_create)
    ratio = ours / yardstick
    return Result(
        "ingest beside bulk_create in a DRF view",
        f"{ours:,.0f} points/s",
        f"bulk_create: {yardstick:,.0f}/s",
        f"{ratio:.1f}",
        f">= {_TARGET_RATIO:.0f}",
        ratio >= _TARGET_RATIO,
    )
