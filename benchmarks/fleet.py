"""Robots, an API key and points: as HTTP bodies and COPY rows."""

from __future__ import annotations

import random
import struct
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.load import request_bytes

METRICS = (
    ("joint.1.angle", "rad"),
    ("joint.2.angle", "rad"),
    ("joint.1.velocity", "rad/s"),
    ("joint.1.current", "A"),
    ("temperature.motor.joint1", "Cel"),
    ("temperature.controller", "Cel"),
    ("voltage.supply", "V"),
    ("current.total", "A"),
    ("position.x", "mm"),
    ("position.y", "mm"),
)
COPY = "COPY robot_telemetry (robot_id, metric_name, time, value, unit) FROM STDIN (FORMAT BINARY)"
COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER = b"\xff\xff"
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_KEY_RATE_LIMIT = 1_000_000_000


class Point(NamedTuple):
    """One point; `time` is aware."""

    robot_id: uuid.UUID
    metric_name: str
    time: datetime
    value: float
    unit: str


@dataclass(frozen=True)
class Fleet:
    """An organization with robots and an API key for their telemetry."""

    organization_id: uuid.UUID
    robot_ids: list[uuid.UUID]
    key: str

    def request(self, body: bytes, path: str = "/api/v1/telemetry") -> bytes:
        """Return an HTTP request with a JSON body."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return request_bytes(path, headers, body)


def make_fleet(robots: int) -> Fleet:
    """Create an organization with this number of robots."""
    # Imported here: Django is not set up when this module is imported.
    from apps.organizations.services.organizations import organization_create  # noqa: PLC0415
    from apps.robots.services.robots import robot_register  # noqa: PLC0415
    from urfmp.common.tenancy.context import tenant_transaction  # noqa: PLC0415

    slug = f"bench-{uuid.uuid4().hex[:12]}"
    organization = organization_create(name=slug, slug=slug, plan="enterprise")
    with tenant_transaction(organization.id):
        made = [
            robot_register(
                organization_id=organization.id,
                name=f"Robot {number}",
                vendor="universal_robots",
                serial_number=f"B-{number:05}",
                configuration={"axes": 6},
            )
            for number in range(robots)
        ]
    key = create_key(organization.id)
    return Fleet(organization.id, [robot.pk for robot in made], key)


def create_key(organization_id: uuid.UUID) -> str:
    """Create an API key of an organization without an effective limit."""
    from apps.accounts.services.api_keys import api_key_create  # noqa: PLC0415
    from apps.accounts.services.users import system_user_get  # noqa: PLC0415
    from urfmp.common.tenancy.context import tenant_transaction  # noqa: PLC0415

    with tenant_transaction(organization_id):
        _, key = api_key_create(
            organization_id=organization_id,
            user=system_user_get(organization_id=organization_id),
            name="bench",
            permissions=["telemetry:write", "telemetry:read", "robots:read"],
            rate_limit=_KEY_RATE_LIMIT,
        )
    return key


def gateway_points(fleet: Fleet, start: datetime, *, batch: int = 5000) -> Iterator[list[Point]]:
    """Yield endless batches as gateways send them.

    Each batch has ten robots with ten metrics at 1 Hz, ordered by time. The gateways alternate.
    """
    chance = random.Random(1)
    seconds = batch // (10 * len(METRICS))
    while True:
        for first in range(0, len(fleet.robot_ids), 10):
            yield [
                Point(robot_id, metric, start + timedelta(seconds=second), chance.random(), unit)
                for second in range(seconds)
                for robot_id in fleet.robot_ids[first : first + 10]
                for metric, unit in METRICS
            ]
        start += timedelta(seconds=seconds)


def robot_points(fleet: Fleet, start: datetime, *, batch: int = 20) -> Iterator[list[Point]]:
    """Yield endless small batches of one robot each.

    Each batch has ten metrics at 1 Hz.
    """
    chance = random.Random(2)
    seconds = batch // len(METRICS)
    while True:
        for robot_id in fleet.robot_ids:
            yield [
                Point(robot_id, metric, start + timedelta(seconds=second), chance.random(), unit)
                for second in range(seconds)
                for metric, unit in METRICS
            ]
        start += timedelta(seconds=seconds)


def body(points: Iterable[Point]) -> bytes:
    """Return a batch as the API's JSON."""
    times: dict[datetime, str] = {}
    items = []
    for robot_id, metric, time, value, unit in points:
        if (text := times.get(time)) is None:
            text = times[time] = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        items.append(
            f'{{"robot_id":"{robot_id}","metric_name":"{metric}","time":"{text}",'
            f'"value":{value!r},"unit":"{unit}"}}'
        )
    return ('{"points":[' + ",".join(items) + "]}").encode()


def copy_rows(points: Iterable[Point]) -> bytes:
    """Return rows in COPY's binary format, without header and trailer."""
    rows = []
    for robot_id, metric, time, value, unit in points:
        since = (time - _POSTGRES_EPOCH) // timedelta(microseconds=1)
        name, code = metric.encode(), unit.encode()
        rows.append(
            struct.pack(
                f">hi16si{len(name)}siqidi{len(code)}s",
                *(5, 16, robot_id.bytes, len(name), name, 8, since, 8, value, len(code), code),
            )
        )
    return b"".join(rows)


class ScratchDay:
    """A past day with its own chunk, dropped after the measurement."""

    def __init__(self, bench: Bench, days_ago: int) -> None:
        """Select the UTC day that begins this number of days ago."""
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.bench = bench
        self.start = today - timedelta(days=days_ago)

    def __enter__(self) -> ScratchDay:
        """Create the chunk, so that its creation is not measured."""
        self._drop()
        with self.bench.connect("owner") as connection:
            connection.execute("BEGIN")
            connection.execute(
                "INSERT INTO robot_telemetry (time, robot_id, metric_name)"
                " SELECT %s, id, 'bench' FROM robots LIMIT 1",
                [self.start + timedelta(hours=23)],
            )
            connection.execute("DELETE FROM robot_telemetry WHERE metric_name = 'bench'")
            connection.execute("COMMIT")
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def count(self) -> int:
        """Return the number of rows in the day."""
        with self.bench.connect("owner") as connection:
            row = connection.execute(
                "SELECT count(*) FROM robot_telemetry WHERE time >= %s AND time < %s",
                [self.start, self.start + timedelta(days=1)],
            ).fetchone()
        return int(row[0]) if row else 0

    def _drop(self) -> None:
        with self.bench.connect("owner") as connection:
            connection.execute(
                "SELECT drop_chunks('robot_telemetry', newer_than => %s::timestamptz,"
                " older_than => %s::timestamptz)",
                [self.start, self.start + timedelta(days=1)],
            )
