"""The form of a metric rule's condition that the evaluator runs.

Times are whole microseconds since 1970, so that sums and comparisons are exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.rules import ClauseMeasure, Comparison, NoDataAction

MICROSECONDS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
NEVER = 1 << 62


def to_micros(moment: datetime) -> int:
    """Return an aware datetime as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(micros: int) -> datetime:
    """Return microseconds since 1970 as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


_COMPARE: dict[Comparison, Callable[[float, float], bool]] = {
    Comparison.ABOVE: float.__gt__,
    Comparison.AT_LEAST: float.__ge__,
    Comparison.BELOW: float.__lt__,
    Comparison.AT_MOST: float.__le__,
    Comparison.EQUAL: float.__eq__,
    Comparison.NOT_EQUAL: float.__ne__,
}
UPWARD = frozenset({Comparison.ABOVE, Comparison.AT_LEAST})
DOWNWARD = frozenset({Comparison.BELOW, Comparison.AT_MOST})


@dataclass(frozen=True)
class Clause:
    """One comparison of a metric.

    Attributes:
        measure: The value; its change over `span`; or the time since its last sample.
        metric: Name of the metric.
        comparison: Comparison of the measured value with the threshold. Silence has none.
        threshold: Limit at which the condition begins.
        clear: Limit at which a condition that has been raised ends; default: the threshold.
        span: Microseconds over which the change is measured, or of silence.
    """

    measure: ClauseMeasure
    metric: str
    comparison: Comparison = Comparison.ABOVE
    threshold: float = 0.0
    clear: float | None = None
    span: int = 0

    def holds(self, value: float | None, *, is_raised: bool) -> bool:
        """Return whether a measured value meets the clause."""
        if value is None:
            return False
        limit = self.clear if is_raised and self.clear is not None else self.threshold
        return _COMPARE[self.comparison](float(value), float(limit))

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the two values between which no value meets the clause.

        A value between the two cannot meet it. Any value may change a rate, none begins a silence.
        """
        if self.measure == ClauseMeasure.RATE:
            return math.inf, -math.inf
        if self.measure == ClauseMeasure.NO_DATA:
            return -math.inf, math.inf
        up = math.nextafter(self.threshold, math.inf)
        down = math.nextafter(self.threshold, -math.inf)
        return {
            Comparison.ABOVE: (-math.inf, up),
            Comparison.AT_LEAST: (-math.inf, self.threshold),
            Comparison.BELOW: (down, math.inf),
            Comparison.AT_MOST: (self.threshold, math.inf),
            Comparison.EQUAL: (-math.inf, self.threshold),
            Comparison.NOT_EQUAL: (down, up),
        }[self.comparison]


@dataclass(frozen=True)
class Window:
    """Hours of some days of the week in which a rule applies.

    A window whose end is not after its start ends on the next day.

    Attributes:
        days: Days on which it starts; 1 is Monday.
        start: Local time at which it starts.
        end: Local time at which it ends, exclusive.
    """

    days: frozenset[int]
    start: time
    end: time


@dataclass(frozen=True)
class Schedule:
    """The windows of a rule in the timezone of the robot's facility."""

    windows: tuple[Window, ...]
    zone: ZoneInfo

    def _intervals(self, moment: datetime, days: range) -> list[tuple[int, int]]:
        """Return the windows that start near a day, as instants.

        Local times that do not exist or repeat at a change of the clock are those of the offset
        before the change.
        """
        found = []
        today = moment.astimezone(self.zone).date()
        for offset in days:
            day = today + timedelta(days=offset)
            for window in self.windows:
                if day.isoweekday() not in window.days:
                    continue
                last = day + timedelta(days=1) if window.end <= window.start else day
                start = datetime.combine(day, window.start, self.zone)
                end = datetime.combine(last, window.end, self.zone)
                found.append((to_micros(start), to_micros(end)))
        return found

    def is_open(self, at: int) -> bool:
        """Return whether the rule applies at an instant."""
        intervals = self._intervals(to_datetime(at), range(-1, 1))
        return any(start <= at < end for start, end in intervals)

    def next_change(self, at: int) -> int:
        """Return the next instant at which a window starts or ends."""
        edges = self._intervals(to_datetime(at), range(-1, 9))
        return min((edge for pair in edges for edge in pair if edge > at), default=NEVER)


@dataclass(frozen=True)
class SeverityStep:
    """A higher severity, after a time or from a value on."""

    severity: AlertSeverity
    after: int | None = None
    value: float | None = None


@dataclass(frozen=True)
class Program:
    """A rule for one robot.

    Attributes:
        clauses: Comparisons; the first one gives the value of the alert.
        needs_all: Whether all clauses must hold, or any.
        severity: Severity at which the alert opens.
        hold: Microseconds for which the condition must hold before the alert opens.
        keep: Microseconds for which it must have ended before the alert is resolved.
        grace: Microseconds by which the clock lags, so that samples on their way count.
        steps: Higher severities.
        schedule: When the rule applies; None: always.
        silence: Microseconds without a sample of a metric after which data is missing; 0: never.
        on_silence: What missing data does to the condition.
    """

    clauses: tuple[Clause, ...]
    needs_all: bool = True
    severity: AlertSeverity = AlertSeverity.WARNING
    hold: int = 0
    keep: int = 0
    grace: int = 0
    steps: tuple[SeverityStep, ...] = ()
    schedule: Schedule | None = None
    silence: int = 0
    on_silence: NoDataAction = NoDataAction.KEEP

    @property
    def silences(self) -> list[tuple[str, int]]:
        """Metrics whose silence matters, and after which time."""
        found = [
            (clause.metric, clause.span)
            for clause in self.clauses
            if clause.measure == ClauseMeasure.NO_DATA
        ]
        if self.silence:
            found += [(metric, self.silence) for metric in sorted(self.metrics)]
        return found

    @property
    def metrics(self) -> frozenset[str]:
        """Names of the metrics of all clauses."""
        return frozenset(clause.metric for clause in self.clauses)

    @property
    def span(self) -> int:
        """Longest time over which a change is measured."""
        spans = [clause.span for clause in self.clauses if clause.measure == ClauseMeasure.RATE]
        return max(spans, default=0)

    def combine(self, results: Iterable[bool]) -> bool:
        """Return whether the clauses together are met."""
        return all(results) if self.needs_all else any(results)

    def is_worse_value(self, value: float, than: float) -> bool:
        """Return whether a value lies further beyond the first clause's threshold."""
        comparison = self.clauses[0].comparison
        if comparison in DOWNWARD:
            return value < than
        if comparison in UPWARD:
            return value > than
        return False

    def severity_of(self, elapsed: int, value: float | None) -> AlertSeverity:
        """Return the severity after some time at a worst value."""
        reached = [self.severity]
        for step in self.steps:
            if step.after is not None and elapsed >= step.after:
                reached.append(step.severity)
            if step.value is not None and value is not None:
                beyond = value == step.value or self.is_worse_value(value, step.value)
                reached += [step.severity] if beyond else []
        return max(reached, key=AlertSeverity.values.index)
