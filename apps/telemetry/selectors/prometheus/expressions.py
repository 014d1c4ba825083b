"""Expressions of PromQL that can be evaluated.

Durations are whole milliseconds, as in Prometheus.
"""

from __future__ import annotations

from dataclasses import dataclass

NAME_LABEL = "__name__"
# Functions of the values in a time window that a bucket's aggregates determine.
AGGREGATE_FUNCTIONS = (
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
)
# Needs every point, because a counter may have been reset between any two of them.
RATE = "rate"
FUNCTIONS = (*AGGREGATE_FUNCTIONS, RATE)


@dataclass(frozen=True)
class Matcher:
    """A condition on a label; a missing label is empty.

    Attributes:
        label: Name of the label.
        operator: `=`, `!=`, `=~` or `!~`; regular expressions match the whole value.
        value: Text, or a regular expression in the syntax of PostgreSQL.
    """

    label: str
    operator: str
    value: str


@dataclass(frozen=True)
class Selector:
    """Series, and the time window before each evaluation time.

    Attributes:
        matchers: Conditions that all must hold.
        range_ms: Length of the window; None for the newest value.
        offset_ms: How long before the evaluation time the window ends; negative for later.
    """

    matchers: tuple[Matcher, ...]
    range_ms: int | None = None
    offset_ms: int = 0


@dataclass(frozen=True)
class FunctionCall:
    """A name of `FUNCTIONS`, applied to a selector with a range."""

    function: str
    selector: Selector


@dataclass(frozen=True)
class Scalar:
    """A number, the same at any time."""

    value: float


Expression = Selector | FunctionCall | Scalar
