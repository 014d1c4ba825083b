"""Ten times as many senders as usual: memory stays, nothing acknowledged is lost."""

from __future__ import annotations

import time
from threading import Event, Thread

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.fleet import Day, body, gateway_points, make_fleet, robot_points
from benchmarks.result import Result
from benchmarks.server import Server

_BATCH, _SMALL, _USUAL, _OVERLOAD = 5000, 20, 4, 40
_SECONDS, _USUAL_SECONDS = 40.0, 12.0
# Sooner than they are told: together they offer more than ten times what can be stored.
_REST = 0.2
_MOST_GROWTH, _MOST_DELAY = 0.20, 2.0


class _Memory:
    """The most that the workers hold together, looked at twice a second."""

    def __init__(self, server: Server) -> None:
        self.most = 0
        self._server = server
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self.most = max(self.most, self._server.resident_bytes())


def run(bench: Bench) -> Result:
    """Let one organization send with 4 connections, then with 40 that hardly wait.

    Another organization sends 20 points at a time all along.
    """
    noisy, quiet = make_fleet(100), make_fleet(10)
    with bench.server() as server, Day(bench, 290) as busy, Day(bench, 280) as calm:
        address = (server.host, server.port)
        # Made beforehand: making bodies must not slow the senders down.
        pool = gateway_points(noisy, busy.start, batch=_BATCH)
        bodies = [noisy.request(body(next(pool))) for _ in range(600)]
        small = robot_points(quiet, calm.start, batch=_SMALL)
        quiet_requests = iter([quiet.request(body(next(small))) for _ in range(5000)])
        unsent = iter(bodies)

        def phase(connections: int, seconds: float) -> tuple[load.Crew, load.Crew, int]:
            sender = load.Crew(unsent, connections, is_repeated=True, rest=_REST)
            # So many that each worker has some of them, beside whatever else it serves.
            other = load.Crew(quiet_requests, 8, pause=0.2, is_repeated=True)
            with _Memory(server) as memory:
                load.run(address, sender, other, seconds=seconds)
            return sender, other, memory.most

        first, first_other, _ = phase(_USUAL, 3.0)
        usual, usual_other, before = phase(_USUAL, _USUAL_SECONDS)
        overload, overload_other, most = phase(_OVERLOAD, _SECONDS)
        time.sleep(0.5)
        return _judge(
            [usual, overload, usual_other, overload_other],
            growth=most / before - 1,
            before=before,
            delays=[load.percentile(c.seconds, 0.95) for c in (usual_other, overload_other)],
            # What the first phase stored was not judged.
            stored=busy.count()
            + calm.count()
            - _BATCH * first.statuses[200]
            - _SMALL * first_other.statuses[200],
        )


def _judge(
    crews: list[load.Crew], *, growth: float, before: int, delays: list[float], stored: int
) -> Result:
    usual, overload, *others = crews
    statuses = overload.statuses + others[1].statuses
    acknowledged = _BATCH * (usual.statuses[200] + overload.statuses[200])
    acknowledged += _SMALL * sum(crew.statuses[200] for crew in others)
    lost = acknowledged - stored
    silent = sum(crew.missing_retry_after for crew in crews)
    delay = delays[1] / delays[0]
    offered = sum(overload.statuses.values()) / overload.statuses[200]
    is_met = (
        growth <= _MOST_GROWTH
        and delay <= _MOST_DELAY
        and set(statuses) <= {200, 429, 503}
        and not (lost or silent)
    )
    return Result(
        "memory at 10 times the senders",
        f"{growth:+.0%}",
        f"{before / 2**20:,.0f} MB before",
        f"{1 + growth:.2f}",
        f"<= {_MOST_GROWTH:+.0%}",
        is_met,
        [
            f"answers under overload: {dict(statuses)}, {offered:.1f} times what was stored",
            f"refusals without Retry-After: {silent}",
            f"acknowledged and missing: {lost} of {acknowledged:,} points",
            (
                f"the other organization's p95: {delays[0] * 1000:.0f} ms before, "
                f"{delays[1] * 1000:.0f} ms under overload: {delay:.2f} times, "
                f"at most {_MOST_DELAY}"
            ),
        ],
    )
