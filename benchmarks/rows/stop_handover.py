"""Request robots to stop while commands are queued and telemetry is ingested."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from uuid import UUID

from benchmarks import load
from benchmarks.bench import Bench, log_progress
from benchmarks.fleet import ScratchDay, body, gateway_points, make_fleet
from benchmarks.load import percentile
from benchmarks.result import Result
from benchmarks.server import Server
from benchmarks.waiting_fleet import WaitingFleet, live_process, make_waiting_robots

_ROBOTS = int(os.environ.get("BENCH_WAITING_ROBOTS", "10000"))
_QUEUED = 1000
_QUEUED_PER_ROBOT = 10
_STOPS = 100
_STOPS_PER_ROUND = 20
_TARGET_SECONDS = 0.1
# As in the row `ingest`.
_BATCH_POINTS = 5000
_BATCHES = 120
_CONNECTIONS = 6


def run(bench: Bench) -> Result:
    """Request stops one at a time; measure until the robot has it."""
    organization_id, keys = make_waiting_robots(bench, _ROBOTS)
    stopped = random.Random(4).sample(sorted(keys), _STOPS + 1)
    for robot_id in stopped[: _QUEUED // _QUEUED_PER_ROBOT]:
        _queue_commands(organization_id, robot_id, _QUEUED_PER_ROBOT)
    _queue_commands(organization_id, stopped[-1], _QUEUED)
    seconds: list[float] = []
    with bench.server() as server, live_process() as port:
        fleet = WaitingFleet(port, keys)
        time.sleep(10)  # until all streams are open
        for first in range(0, _STOPS, _STOPS_PER_ROUND):
            with _ingest(bench, server, 360 - first // _STOPS_PER_ROUND):
                seconds += [
                    _stop(fleet, organization_id, robot_id)
                    for robot_id in stopped[first : first + _STOPS_PER_ROUND]
                ]
            log_progress(f"  {len(seconds)} stops, p99 {percentile(seconds, 0.99) * 1000:.0f} ms")
        with _ingest(bench, server, 350):
            worst = _stop(fleet, organization_id, stopped[-1])
        fleet.close()
    p99 = percentile(seconds, 0.99)
    note = (
        f"median {percentile(seconds, 0.5) * 1000:.0f} ms from the request,"
        f" {len(keys):,} robots waiting; robot with {_QUEUED:,} queued commands of its own:"
        f" {worst * 1000:.0f} ms; failed streams: {fleet.failures}"
    )
    return Result(
        f"stop request to a robot, {_QUEUED:,} commands queued, ingest running, p99",
        f"{p99 * 1000:.0f} ms",
        "",
        "",
        f"< {_TARGET_SECONDS * 1000:.0f} ms",
        p99 < _TARGET_SECONDS and not fleet.failures,
        [note],
    )


def _queue_commands(organization_id: UUID, robot_id: UUID, count: int) -> None:
    """Queue commands that are not due: others would be handed over."""
    from django.utils import timezone  # noqa: PLC0415

    from apps.robots.models import Robot  # noqa: PLC0415
    from apps.robots.services.commands.creation import command_create  # noqa: PLC0415
    from urfmp.common.tenancy.context import tenant_transaction  # noqa: PLC0415

    later = timezone.now() + timedelta(hours=1)
    with tenant_transaction(organization_id):
        robot = Robot.objects.get(pk=robot_id)
        for _ in range(count):
            command_create(robot=robot, type="pause", scheduled_at=later)


def _stop(fleet: WaitingFleet, organization_id: UUID, robot_id: UUID) -> float:
    from apps.robots.models import Robot  # noqa: PLC0415
    from apps.robots.services.commands.stop_requests import stop_requests_create  # noqa: PLC0415
    from urfmp.common.tenancy.context import tenant_transaction  # noqa: PLC0415

    began = time.perf_counter()
    with tenant_transaction(organization_id):
        stop_requests_create(robots=[Robot.objects.get(pk=robot_id)], user=None)
    return fleet.wait_for_command(robot_id) - began


@contextmanager
def _ingest(bench: Bench, server: Server, days_ago: int) -> Iterator[None]:
    """Ingest telemetry in another process for a block.

    Raises:
        RuntimeError: The ingest was over before the block.
    """
    sender_fleet = make_fleet(100)
    with ScratchDay(bench, days_ago) as day:
        batches = islice(gateway_points(sender_fleet, day.start, batch=_BATCH_POINTS), _BATCHES)
        requests = [sender_fleet.request(body(batch)) for batch in batches]
        group = load.ClientGroup(iter(requests), _CONNECTIONS)
        context = multiprocessing.get_context("fork")
        sender = context.Process(target=load.run, args=((server.host, server.port), group))
        sender.start()
        try:
            yield
            if not sender.is_alive():
                msg = "the ingest ended before the stops"
                raise RuntimeError(msg)
        finally:
            sender.kill()
            sender.join()
            time.sleep(1)  # until requests in progress are stored
