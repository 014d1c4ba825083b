"""Telemetry over HTTP beside a DRF view with a serializer and `bulk_create`."""

from __future__ import annotations

from itertools import islice

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.fleet import Day, body, gateway_points, make_fleet
from benchmarks.result import Result

_BATCH, _CONNECTIONS = 5000, 6
_TARGET = 5.0


def run(bench: Bench) -> Result:
    """Post the same kind of batches to both views of one server."""
    fleet = make_fleet(100)
    with bench.server() as server:

        def measure(path: str, batches: int, days_ago: int) -> float:
            with Day(bench, days_ago) as day:
                made = islice(gateway_points(fleet, day.start, batch=_BATCH), batches)
                requests = [fleet.request(body(batch), path) for batch in made]
                crew = load.Crew(iter(requests), _CONNECTIONS)
                seconds = load.run((server.host, server.port), crew)
                if crew.statuses != {200: batches} or day.count() != _BATCH * batches:
                    msg = f"not everything was stored: {crew.statuses}, {day.count()} rows"
                    raise RuntimeError(msg)
            return _BATCH * batches / seconds

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
        f">= {_TARGET:.0f}",
        ratio >= _TARGET,
    )
