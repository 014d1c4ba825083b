"""A quiet organization's requests beside those of one that sends without pause."""

from __future__ import annotations

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.fleet import Fleet, ScratchDay, body, gateway_points, make_fleet, robot_points
from benchmarks.result import Result

_NOISY_POINTS = 1_000
_NOISY_CONNECTIONS = 24
_NOISY_BODIES = 2_000
# Shorter than Retry-After.
_BACKOFF_SECONDS = 0.2
_QUIET_POINTS = 20
_QUIET_CONNECTIONS = 8
_QUIET_PAUSE_SECONDS = 0.1
_SECONDS = 10.0
_MAX_RATIO = 2.0


def run(bench: Bench) -> Result:
    """Compare the quiet organization's p95 beside the noisy one with that alone."""
    noisy, quiet = make_fleet(100), make_fleet(10)
    noisy_group: list[load.ClientGroup] = []
    with bench.server() as server:
        address = (server.host, server.port)

        def measure(turn: int, *, is_disturbed: bool) -> float:
            with (
                ScratchDay(bench, 250 - turn) as day,
                ScratchDay(bench, 200 - 2 * turn - is_disturbed) as calm,
            ):
                groups = [_quiet_group(quiet, calm)]
                if is_disturbed:
                    points = gateway_points(noisy, day.start, batch=_NOISY_POINTS)
                    bodies = [noisy.request(body(next(points))) for _ in range(_NOISY_BODIES)]
                    groups.append(
                        load.ClientGroup(
                            iter(bodies),
                            _NOISY_CONNECTIONS,
                            retries_rejected=True,
                            backoff_seconds=_BACKOFF_SECONDS,
                        )
                    )
                load.run(address, *groups, seconds=_SECONDS)
                noisy_group[:] = groups[1:]
                if set(groups[0].statuses) != {200}:
                    msg = f"requests of the quiet organization failed: {groups[0].statuses}"
                    raise RuntimeError(msg)
                return load.percentile(groups[0].seconds, 0.95) * 1_000_000

        def beside(turn: int) -> float:
            return measure(turn, is_disturbed=True)

        def alone(turn: int) -> float:
            return measure(turn, is_disturbed=False)

        alone(bench.rounds)
        ours, yardstick = bench.medians(beside, alone)
    statuses = dict(noisy_group[0].statuses)
    ratio = ours / yardstick
    return Result(
        "p95 of 20 points beside an organization that sends 1,000 from 24 connections",
        f"{ours / 1000:.1f} ms",
        f"alone: {yardstick / 1000:.1f} ms",
        f"{ratio:.2f}",
        f"<= {_MAX_RATIO:.0f}",
        ratio <= _MAX_RATIO,
        [f"responses to the other organization in the last round: {statuses}"],
    )


def _quiet_group(quiet: Fleet, day: ScratchDay) -> load.ClientGroup:
    points = robot_points(quiet, day.start, batch=_QUIET_POINTS)
    number = int(_SECONDS / _QUIET_PAUSE_SECONDS * _QUIET_CONNECTIONS)
    requests = [quiet.request(body(next(points))) for _ in range(number)]
    return load.ClientGroup(iter(requests), _QUIET_CONNECTIONS, pause_seconds=_QUIET_PAUSE_SECONDS)
