"""Evaluation of 100 alert rules beside the ingest of the same points."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import islice
from statistics import median
from uuid import UUID

from benchmarks import load
from benchmarks.bench import Bench
from benchmarks.fleet import METRICS, Fleet, ScratchDay, body, gateway_points, make_fleet
from benchmarks.result import Result

_BATCH_POINTS = 5000
_BATCHES = 40
_CONNECTIONS = 6
_RULES_PER_METRIC = 10
_TARGET_SHARE = 0.15


def run(bench: Bench) -> Result:
    """Post batches of 5,000, then evaluate 100 rules on them."""
    fleet = make_fleet(100)
    _make_rules(fleet)
    points = _BATCH_POINTS * _BATCHES
    ingest_seconds: list[float] = []
    rule_seconds: list[float] = []
    with bench.server() as server:

        def share(turn: int) -> float:
            with ScratchDay(bench, 300 - turn) as day:
                batches = islice(gateway_points(fleet, day.start, batch=_BATCH_POINTS), _BATCHES)
                requests = [fleet.request(body(batch)) for batch in batches]
                group = load.ClientGroup(iter(requests), _CONNECTIONS)
                ingest_seconds.append(load.run((server.host, server.port), group))
                if group.statuses != {200: _BATCHES} or day.count() != points:
                    msg = f"some points were not stored: {group.statuses}"
                    raise RuntimeError(msg)
                began = time.perf_counter()
                _evaluate(fleet.organization_id, day.start + timedelta(hours=1))
                rule_seconds.append(time.perf_counter() - began)
            return rule_seconds[-1] / ingest_seconds[-1]

        share(bench.rounds)  # warm-up
        (ratio,) = bench.medians(share)
    return Result(
        "100 alert rules on 10 metrics, values within limits",
        f"{points / median(rule_seconds[1:]):,.0f} points/s",
        f"ingest: {points / median(ingest_seconds[1:]):,.0f}/s",
        f"{ratio:.2f}",
        f"<= {_TARGET_SHARE}",
        ratio <= _TARGET_SHARE,
    )


def _make_rules(fleet: Fleet) -> None:
    # Imported here: Django is not set up when this module is imported.
    from apps.alerts.services.rules.rules import alert_rule_create  # noqa: PLC0415
    from urfmp.common.tenancy.context import tenant_transaction  # noqa: PLC0415

    with tenant_transaction(fleet.organization_id):
        for metric, _ in METRICS:
            for number in range(_RULES_PER_METRIC):
                # The points lie between 0 and 1.
                clause = {"metric": metric, "threshold": 1.0 + number, "clear": 0.9}
                alert_rule_create(
                    organization_id=fleet.organization_id,
                    name=f"{metric} above {1 + number}",
                    condition={"clauses": [clause], "for_seconds": 10 * number},
                )


def _evaluate(organization_id: UUID, now: datetime) -> None:
    from apps.alerts.services.rules.evaluation import evaluate_new_points  # noqa: PLC0415

    while evaluate_new_points(organization_id, now=now):
        pass
