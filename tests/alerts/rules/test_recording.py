"""Rules on a real recording of a UR3, sent in shuffled batches.

The recording is not part of the repository. The expected episodes are computed from the file.
"""

from __future__ import annotations

import csv
import gzip
import os
import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from apps.alerts.services.rules.evaluation import evaluate_new_points
from apps.telemetry.protocols.points import DecodedBatch, Point
from apps.telemetry.services.telemetry import telemetry_ingest

SHARED = Path(os.environ.get("URFMP_SHARED", Path(__file__).parents[4] / "shared"))
RECORDING = SHARED / "data" / "ur3_cobotops_part1.csv.gz"
HOT, COOL = 33.0, 32.5
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not RECORDING.exists(), reason="The recording is not available."),
]


def rows():
    """Return time, temperature of joint 3 and protective stop; None where a cell is empty."""
    with gzip.open(RECORDING, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            stop = {"True": 1.0, "False": 0.0}.get(row["Robot_ProtectiveStop"])
            temperature = row["Temperature_J3"]
            if row["Timestamp"].strip('"'):
                time = datetime.fromisoformat(row["Timestamp"].strip('"'))
                yield time, float(temperature) if temperature else None, stop


def periods(values, start, end):
    """Return the number of periods that begin at `start` and end at `end`, value by value."""
    count, is_on = 0, False
    for value in values:
        if not is_on and start(value):
            count, is_on = count + 1, True
        elif is_on and end(value):
            is_on = False
    return count


def test_rules_fire_as_computed_from_the_recording(plant):
    stop_clause = {"metric": "stop", "comparison": "==", "threshold": 1.0}
    plant.rule("Stop", clauses=[stop_clause])
    plant.rule("Hot", clauses=[{"metric": "heat", "threshold": HOT, "clear": COOL}])
    recorded = list({time: (time, heat, stop) for time, heat, stop in reversed([*rows()])}.values())
    recorded.reverse()
    shift = timezone.now() - timedelta(minutes=1) - recorded[-1][0]
    for begin in range(0, len(recorded), 200):
        points = [
            Point(metric, time + shift, value, robot_id=plant.robot.pk)
            for time, heat, stop in recorded[begin : begin + 200]
            for metric, value in (("heat", heat), ("stop", stop))
            if value is not None
        ]
        random.Random(begin).shuffle(points)
        batch = DecodedBatch(list(enumerate(points)))
        telemetry_ingest(organization_id=plant.organization.id, decode=lambda batch=batch: batch)
        evaluate_new_points(plant.organization.id)
    stops = periods(
        [stop for *_, stop in recorded if stop is not None],
        lambda value: value == 1,
        lambda value: value == 0,
    )
    heats = periods(
        [heat for _, heat, _ in recorded if heat is not None],
        lambda value: value > HOT,
        lambda value: value <= COOL,
    )
    assert (stops > 3, heats > 0) == (True, True)
    titles = [alert[0] for alert in plant.alerts()]
    assert (titles.count("Stop"), titles.count("Hot")) == (stops, heats)
