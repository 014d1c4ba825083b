"""Ten times the usual senders: bounded memory, no lost points."""

from __future__ import annotations

import time
from threading import Event, Thread

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.fleet import ScratchDay, body, gateway_points, make_fleet, robot_points
from benchmarks.result import Result
from benchmarks.server import Server

_BATCH_POINTS = 5000
_SMALL_BATCH_POINTS = 20
_USUAL_CONNECTIONS = 4
_OVERLOAD_CONNECTIONS = 40
_OVERLOAD_SECONDS = 40.0
_USUAL_SECONDS = 12.0
# Shorter than Retry-After: together the senders offer more than ten times what can be stored.
_BACKOFF_SECONDS = 0.2
_MAX_GROWTH_RATIO = 0.20
_MAX_DELAY_RATIO = 2.0


class _PeakMemory:
    """Peak resident memory of all workers, sampled twice a second."""

    def __init__(self, server: Server) -> None:
        self.peak_bytes = 0
        self._server = server
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self.peak_bytes = max(self.peak_bytes, self._server.resident_bytes())


def run(bench: Bench) -> Result:
    """Send from 4 connections, then from 40 that hardly wait.

    Another organization sends 20 points at a time throughout.
    """
    noisy, quiet = make_fleet(100), make_fleet(10)
    with bench.server() as server, ScratchDay(bench, 290) as busy, ScratchDay(bench, 280) as calm:
        address = (server.host, server.port)
        # Prepared beforehand: building bodies must not slow down the senders.
        pool = gateway_points(noisy, busy.start, batch=_BATCH_POINTS)
        bodies = [noisy.request(body(next(pool))) for _ in range(600)]
        small = robot_points(quiet, calm.start, batch=_SMALL_BATCH_POINTS)
        quiet_requests = iter([quiet.request(body(next(small))) for _ in range(5000)])
        unsent = iter(bodies)

        def phase(
            connections: int, seconds: float
        ) -> tuple[load.ClientGroup, load.ClientGroup, int]:
            sender = load.ClientGroup(
                unsent, connections, retries_rejected=True, backoff_seconds=_BACKOFF_SECONDS
            )
            # Enough connections for each worker to serve some of them.
            other = load.ClientGroup(quiet_requests, 8, pause_seconds=0.2, retries_rejected=True)
            with _PeakMemory(server) as memory:
                load.run(address, sender, other, seconds=seconds)
            return sender, other, memory.peak_bytes

        first, first_other, _ = phase(_USUAL_CONNECTIONS, 3.0)
        usual, usual_other, before = phase(_USUAL_CONNECTIONS, _USUAL_SECONDS)
        overload, overload_other, peak_bytes = phase(_OVERLOAD_CONNECTIONS, _OVERLOAD_SECONDS)
        time.sleep(0.5)
        return _judge(
            [usual, overload, usual_other, overload_other],
            growth=peak_bytes / before - 1,
            before=before,
            delays=[load.percentile(c.seconds, 0.95) for c in (usual_other, overload_other)],
            # Without the points of the first phase, which is not judged.
            stored=busy.count()
            + calm.count()
            - _BATCH_POINTS * first.statuses[200]
            - _SMALL_BATCH_POINTS * first_other.statuses[200],
        )


def _judge(
    groups: list[load.ClientGroup], *, growth: float, before: int, delays: list[float], stored: int
) -> Result:
    usual, overload, *others = groups
    statuses = overload.statuses + others[1].statuses
    acknowledged = _BATCH_POINTS * (usual.statuses[200] + overload.statuses[200])
    acknowledged += _SMALL_BATCH_POINTS * sum(group.statuses[200] for group in others)
    lost = acknowledged - stored
    silent = sum(group.missing_retry_after for group in groups)
    delay = delays[1] / delays[0]
    offered = sum(overload.statuses.values()) / overload.statuses[200]
    is_met = (
        growth <= _MAX_GROWTH_RATIO
        and delay <= _MAX_DELAY_RATIO
        and set(statuses) <= {200, 429, 503}
        and not (lost or silent)
    )
    return Result(
        "memory at 10 times the senders",
        f"{growth:+.0%}",
        f"{before / 2**20:,.0f} MB before",
        f"{1 + growth:.2f}",
        f"<= {_MAX_GROWTH_RATIO:+.0%}",
        is_met,
        [
            f"responses under overload: {dict(statuses)}, {offered:.1f} times what was stored",
            f"rejections without Retry-After: {silent}",
            f"acknowledged but missing: {lost} of {acknowledged:,} points",
            (
                f"the other organization's p95: {delays[0] * 1000:.0f} ms before, "
                f"{delays[1] * 1000:.0f} ms under overload: {delay:.2f} times, "
                f"at most {_MAX_DELAY_RATIO}"
            ),
        ],
    )
