"""A fleet that sends points, checked against a model of them after each step."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import note
from hypothesis import strategies as st

from apps.robots.models import Robot
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.models.rollups import LEVELS, WIDE_SCALE
from apps.telemetry.selectors import (
    RESOLUTIONS,
    SeriesQuery,
    SeriesTooLongError,
    get_series,
    latest_json,
    latest_values,
)
from apps.telemetry.services.pending_work import pending_work_clean_up
from apps.telemetry.services.rollups import roll_up
from tests.support.telemetry_model import Model, aggregate

METRICS = ("a", "b.c")
NAMES = ("avg", "min", "max", "count", "first", "last", "sum", "p50", "p99.9")
# Long ago, so that ingest does not reject times, and the same in every run; near the start of a day
# and of a week.
BASE = (timezone.now() - timedelta(days=40)).replace(hour=23, minute=58, second=0, microsecond=0)

OFFSETS = st.one_of(
    st.integers(0, 240),  # around midnight
    st.integers(0, 4 * 3600),
    st.integers(0, 9 * 86_400),
).flatmap(lambda n: st.sampled_from([timedelta(seconds=n), timedelta(seconds=n, microseconds=250)]))
VALUES = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1e6, 1e6),
    st.floats(allow_nan=False, allow_infinity=False),
)
POINTS = st.tuples(
    st.integers(0, 1), st.sampled_from(METRICS), OFFSETS, VALUES, st.sampled_from([None, "W", "kW"])
)
BATCHES = st.lists(st.lists(POINTS, min_size=1, max_size=12), min_size=1, max_size=6)


class TelemetryFleet:
    """Sends through the API, and runs some steps of the worker."""

    def __init__(self, organization, robots, key, random_source):
        self.organization, self.robots, self.key = organization, robots, key
        self.model, self.sent, self.random_source = Model(), [], random_source

    def send(self, points):
        self.sent.append(points)
        body = {
            "points": [
                {
                    "robot_id": str(self.robots[robot]),
                    "metric_name": metric,
                    "time": (BASE + offset).isoformat(),
                    "value": value,
                    **({"unit": unit} if unit else {}),
                }
                for robot, metric, offset, value, unit in points
            ]
        }
        response = Client().post(
            "/api/v1/telemetry",
            json.dumps(body),
            content_type="application/json",
            headers={"x-api-key": self.key},
        )
        assert response.status_code in {200, 422}, response.content
        outcomes = [
            self.model.add(self.robots[robot], metric, BASE + offset, value, unit)
            for robot, metric, offset, value, unit in points
        ]
        result = response.json()
        assert len(result["rejected"]) == outcomes.count("conflict")
        if response.status_code == 200:
            assert result["accepted"] + result["duplicate"] == outcomes.count("stored")

    def step(self, name, batches):
        if name == "send" and batches:
            self.send(batches.pop())
        elif name in {"again", "shuffled"} and self.sent:
            points = list(self.random_source.choice(self.sent))
            if name == "shuffled":
                points += self.random_source.choice(self.sent)
                self.random_source.shuffle(points)
            self.send(points)
        elif name == "work":
            while roll_up(self.organization.id):
                pass
        elif name == "some work":
            roll_up(self.organization.id, max_items=self.random_source.randint(1, 3))
        elif name == "clean":
            pending_work_clean_up()

    # Reads

    def check(self, tenant, resolutions=2):
        with tenant(self.organization):
            self.check_points()
            self.check_latest()
            known = {metric for (_, metric), found in self.model.points.items() if found}
            if not known:  # every point was deleted
                return
            for name in self.random_source.sample([*RESOLUTIONS], resolutions):
                self.check_series(name, RESOLUTIONS[name], known)
            self.check_series("auto", None, known)

    def check_points(self):
        rows = RobotTelemetry.objects.values_list(
            "robot_id", "metric_name", "time", "value", "unit"
        )
        assert {(r, m, t): (v, u) for r, m, t, v, u in rows} == {
            (*key, time): point
            for key, found in self.model.points.items()
            for time, point in found.items()
        }

    def check_latest(self):
        expected = self.model.latest()
        found = latest_values(self.robots)
        assert {(v.robot_id, v.metric_name): (v.time, v.value, v.unit) for v in found} == expected
        result = json.loads(latest_json(Robot.objects.order_by("pk")[:10], ["a"]))
        assert {
            item["robot_id"]: (datetime.fromisoformat(item["time"]), item["value"], item["unit"])
            for item in result
        } == {str(robot): newest for (robot, metric), newest in expected.items() if metric == "a"}

    def check_series(self, name, width, known):
        start = BASE + timedelta(
            seconds=self.random_source.choice([0, 0.25, 59, 120, 3601, 86_400])
        )
        end = start + timedelta(
            seconds=self.random_source.choice([1, 60, 120, 119.75, 7200, 86_400, 777_777])
        )
        query = SeriesQuery(
            tuple(self.robots), tuple(sorted(known)), start, end, 2000, NAMES, width
        )
        try:
            response = get_series(query)
        except SeriesTooLongError:
            assert width is not None
            assert width == 0 or (end - start).total_seconds() / width > 1998
            return
        for one in response:
            key = (one.robot_id, one.metric_name)
            expected = self.model.buckets(*key, start, end, one.resolution_seconds)
            note(f"{name} {key} {start} {end}")
            assert [point[0] for point in one.points] == [time for time, _ in expected]
            assert one.unit == self.model.unit(*key, start, end)
            for (_, *actual), (_, values) in zip(one.points, expected, strict=True):
                agrees(dict(zip(NAMES, actual, strict=True)), values)

    def check_rollups(self):
        """After all work is done, exactly the expected rollups exist."""
        for level in LEVELS:
            expected = {
                (*key, time): values
                for key in self.model.points
                for time, values in self.model.buckets(
                    *key, BASE, BASE + timedelta(days=10), level.seconds
                )
            }
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT robot_id, metric_name, bucket, count, sum, wide_sum, min, max, first,"
                    f" last FROM {level.table} WHERE robot_id IN (SELECT id FROM robots)"
                )
                rows = cursor.fetchall()
            assert {row[:3] for row in rows} == set(expected)
            for *key, count, narrow, wide, minimum, maximum, first, last in rows:
                total = (narrow or 0.0) + (wide or 0.0) * WIDE_SCALE
                found = {"count": count, "sum": total, "min": minimum, "max": maximum}
                agrees({**found, "first": first, "last": last}, expected[tuple(key)])


def agrees(found, values):
    scale = max(map(abs, values))
    for name, value in found.items():
        if name == "sum":
            try:
                expected = aggregate(name, values)
            except OverflowError:
                assert abs(value) > 1e307
                continue
            tolerance = len(values) * scale * 1e-9
            assert abs(value - expected) <= max(tolerance, 1e-100) or value == expected, name
        elif name == "avg":
            assert min(values) <= value <= max(values)
            assert value == pytest.approx(
                aggregate(name, values), rel=1e-9, abs=max(scale * 1e-9, 1e-100)
            )
        else:
            assert value == aggregate(name, values), name
