"""Bytes of a stored point, by table and index."""

from __future__ import annotations

from itertools import islice

import psycopg

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.fleet import ScratchDay, body, gateway_points, make_fleet
from benchmarks.result import Result

_BATCH_POINTS = 5_000
_BATCHES = 100
_CONNECTIONS = 6
_MAX_BYTES_PER_POINT = 250
_CHUNK = """
    SELECT format('%%I.%%I', chunk_schema, chunk_name)::regclass::oid
    FROM timescaledb_information.chunks
    WHERE hypertable_name = 'robot_telemetry' AND range_start <= %(day)s AND range_end > %(day)s
"""
_SIZES = """
    SELECT 'rows', pg_table_size(%(chunk)s::oid::regclass)
    UNION ALL
    SELECT regexp_replace(pg_get_indexdef(i.indexrelid), '^.* (\\(.*\\))$', '\\1'),
           pg_relation_size(i.indexrelid)
    FROM pg_index i WHERE i.indrelid = %(chunk)s::oid
"""


def run(bench: Bench) -> Result:
    """Send half a million points as gateways do, and measure their chunk."""
    fleet = make_fleet(100)
    count = _BATCH_POINTS * _BATCHES
    with bench.server() as server, ScratchDay(bench, 270) as day:
        batches = islice(gateway_points(fleet, day.start, batch=_BATCH_POINTS), _BATCHES)
        group = load.ClientGroup((fleet.request(body(batch)) for batch in batches), _CONNECTIONS)
        load.run((server.host, server.port), group)
        if (stored := day.count()) != count:
            msg = f"some points were not stored: {group.statuses}, {stored} rows"
            raise RuntimeError(msg)
        with bench.connect("owner") as connection:
            sizes = _sizes(connection, day)
    total = sum(sizes.values()) / count
    return Result(
        f"storage of {count:,} points",
        f"{total:.0f} bytes a point",
        "",
        "",
        f"<= {_MAX_BYTES_PER_POINT} bytes",
        total <= _MAX_BYTES_PER_POINT,
        [f"{name}: {size / count:.1f} bytes" for name, size in sizes.items()],
    )


def _sizes(connection: psycopg.Connection, day: ScratchDay) -> dict[str, int]:
    """Return the sizes of the day's chunk and its indexes."""
    chunk = connection.execute(_CHUNK, {"day": day.start}).fetchone()
    if chunk is None:
        msg = "the day has no chunk"
        raise RuntimeError(msg)
    return dict(connection.execute(_SIZES, {"chunk": chunk[0]}).fetchall())
