"""Hand a command to one of many robots that wait for one."""

from __future__ import annotations

import os
import random
import time

from benchmarks.bench import Bench, log_progress
from benchmarks.load import percentile
from benchmarks.result import Result
from benchmarks.waiting_fleet import WaitingFleet, live_process, make_waiting_robots

_ROBOTS = int(os.environ.get("BENCH_WAITING_ROBOTS", "10000"))
_COMMANDS = 200
_TARGET_SECONDS = 0.1


def run(bench: Bench) -> Result:
    """Create commands for random robots, one at a time."""
    from apps.robots.models import Robot  # noqa: PLC0415
    from apps.robots.services.commands.creation import command_create  # noqa: PLC0415
    from urfmp.common.tenancy.context import tenant_transaction  # noqa: PLC0415

    organization_id, keys = make_waiting_robots(bench, _ROBOTS)
    chosen = random.Random(3).sample(sorted(keys), _COMMANDS)
    seconds = []
    with live_process() as port:
        began = time.perf_counter()
        fleet = WaitingFleet(port, keys)
        log_progress(f"  {len(keys):,} robots connected in {time.perf_counter() - began:.0f} s")
        time.sleep(10)  # until all streams are open
        for robot_id in chosen:
            began = time.perf_counter()
            with tenant_transaction(organization_id):
                command_create(robot=Robot.objects.get(pk=robot_id), type="pause")
            committed = time.perf_counter()
            seconds.append(fleet.wait_for_command(robot_id) - committed)
            log_slow = time.perf_counter() - began
            time.sleep(max(0.0, 0.05 - log_slow))
        fleet.close()
    p99 = percentile(seconds, 0.99)
    median = percentile(seconds, 0.5)
    return Result(
        f"command to one of {len(keys):,} waiting robots, p99",
        f"{p99 * 1000:.0f} ms",
        "",
        "",
        f"< {_TARGET_SECONDS * 1000:.0f} ms",
        p99 < _TARGET_SECONDS and not fleet.failures,
        [f"median {median * 1000:.0f} ms after the commit; failed streams: {fleet.failures}"],
    )
