"""The JSON form of a rule's condition, its program and its sentence.

Each kind of rule has a form of its own. Durations are whole seconds.
"""

from __future__ import annotations

import math
from datetime import time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from django.core.exceptions import ValidationError

from apps.alerts.choices.alerts import AlertSeverity, is_worse
from apps.alerts.choices.rules import (
    ClauseMeasure,
    Comparison,
    NoDataAction,
    RuleKind,
)
from apps.alerts.protocols.program import (
    DOWNWARD,
    MICROSECONDS,
    UPWARD,
    Clause,
    Program,
    Schedule,
    SeverityStep,
    Window,
)
from apps.robots.choices import RobotStatus
from apps.telemetry.protocols.points import metric_name_error

MAX_CLAUSES = 10
MAX_WINDOWS = 14
MAX_STEPS = 3
MAX_DURATION_SECONDS = 7 * 86_400
MAX_GRACE_SECONDS = 3_600
MAX_EVENT_COUNT = 1_000
DEFAULT_GRACE_SECONDS = 5
# Metric under which the conditions of other kinds than metrics are evaluated: 1 while they hold.
CONDITION_METRIC = "condition"

_Status = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(RobotStatus.values)})$")]
_Seconds = Annotated[int, msgspec.Meta(ge=0, le=MAX_DURATION_SECONDS)]
_Span = Annotated[int, msgspec.Meta(ge=1, le=MAX_DURATION_SECONDS)]
# Events are counted at least this long, because a transaction may enter them late.
_Window = Annotated[int, msgspec.Meta(ge=60, le=MAX_DURATION_SECONDS)]
_Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_EVENT_COUNT)]


class _Form(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Base of the forms: unknown fields are rejected."""


class WindowForm(_Form):
    """Hours of some days, 1 is Monday; local times as HH:MM."""

    days: Annotated[list[Annotated[int, msgspec.Meta(ge=1, le=7)]], msgspec.Meta(min_length=1)]
    start: Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    end: Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class StepForm(_Form):
    """A higher severity, after a time or from a value on."""

    severity: Literal["info", "warning", "error", "critical"]
    after_seconds: _Span | None = None
    value: float | None = None


class ClauseForm(_Form):
    """A comparison of one metric.

    `seconds` is the time over which a rate is measured, or of silence for `no_data`.
    """

    metric: str
    measure: ClauseMeasure = ClauseMeasure.VALUE
    comparison: Literal[">", ">=", "<", "<=", "==", "!="] = ">"
    threshold: float = 0.0
    clear: float | None = None
    seconds: _Span | None = None


class TimingForm(_Form):
    """How long a condition must hold, and when."""

    for_seconds: _Seconds = 0
    keep_firing_seconds: _Seconds = 0
    grace_seconds: Annotated[int, msgspec.Meta(ge=0, le=MAX_GRACE_SECONDS)] = DEFAULT_GRACE_SECONDS
    windows: Annotated[list[WindowForm], msgspec.Meta(max_length=MAX_WINDOWS)] = []
    severities: Annotated[list[StepForm], msgspec.Meta(max_length=MAX_STEPS)] = []


class MetricForm(TimingForm, kw_only=True):
    """Condition of a rule on metrics.

    `no_data` says what happens after `no_data_seconds` without a point of one of the metrics.
    """

    clauses: Annotated[list[ClauseForm], msgspec.Meta(min_length=1, max_length=MAX_CLAUSES)]
    match: Literal["all", "any"] = "all"
    no_data: Literal["keep", "alert", "resolve"] = "keep"
    no_data_seconds: _Span | None = None


class StatusForm(TimingForm, kw_only=True):
    """Condition of a rule on the status of robots."""

    statuses: Annotated[list[_Status], msgspec.Meta(min_length=1, max_length=10)]


class PlainForm(TimingForm):
    """Condition of a rule that observes one thing."""


class CommandForm(TimingForm, kw_only=True):
    """Condition of a rule on commands: their number with an outcome, lately."""

    outcomes: Annotated[
        list[Literal["unknown", "failed", "rejected"]], msgspec.Meta(min_length=1, max_length=3)
    ]
    count: _Count = 1
    within_seconds: _Window = 3_600


class SecurityForm(TimingForm, kw_only=True):
    """Condition of a rule on the audit log: a number of events."""

    events: Annotated[
        list[Literal["failed_login", "refresh_token_reuse", "access_denied"]],
        msgspec.Meta(min_length=1, max_length=3),
    ]
    count: _Count = 1
    within_seconds: _Window = 300


class SystemForm(TimingForm, kw_only=True):
    """Condition of a rule on waiting jobs or notifications."""

    measure: Literal["queue_age", "undelivered_age"]
    threshold_seconds: _Span


_FORMS: dict[str, type[TimingForm]] = {
    RuleKind.METRIC: MetricForm,
    RuleKind.STATUS: StatusForm,
    RuleKind.CONNECTIVITY: PlainForm,
    RuleKind.COMMAND: CommandForm,
    RuleKind.MAINTENANCE: PlainForm,
    RuleKind.SECURITY: SecurityForm,
    RuleKind.SYSTEM: SystemForm,
}


# Kinds of rules that exist.
KINDS = tuple(_FORMS)


def _condition_schema() -> dict[str, Any]:
    """Return the JSON Schema of the conditions of all kinds."""
    schemas, parts = msgspec.json.schema_components(
        list(_FORMS.values()), ref_template="#/$defs/{name}"
    )
    return {"oneOf": [_inlined(schema, parts) for schema in _unique(schemas)]}


def _unique(schemas: Any) -> list[Any]:
    found: list[Any] = []
    for schema in schemas:
        if schema not in found:
            found.append(schema)
    return found


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    """Return a schema with the parts that it refers to."""
    if isinstance(schema, list):
        return [_inlined(item, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rsplit("/", 1)[1]], parts)
    return {key: _inlined(value, parts) for key, value in schema.items()}


CONDITION_SCHEMA = _condition_schema()


def parse_condition(kind: str, severity: str, value: Any) -> TimingForm:
    """Return a condition that is valid for a kind of rule.

    Args:
        kind: Kind of the rule.
        severity: Severity at which its alerts open.
        value: JSON value.

    Raises:
        ValidationError: The value does not have the form of the kind.
    """
    form = _FORMS.get(kind)
    if form is None:
        raise ValidationError({"kind": "Rules of this kind are not available."})
    try:
        condition = msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        raise ValidationError({"condition": f"{error}."}) from error
    if errors := _timing_errors(condition, severity) + _kind_errors(condition):
        raise ValidationError({"condition": errors})
    return condition


def condition_json(condition: TimingForm) -> dict[str, Any]:
    """Return a condition as it is stored: without default values."""
    return dict(msgspec.to_builtins(condition))


def _timing_errors(condition: TimingForm, severity: str) -> list[str]:
    errors = []
    worst = severity
    for step in condition.severities:
        if step.after_seconds is None and step.value is None:
            errors.append("A higher severity needs a time or a value.")
        if not is_worse(step.severity, worst):
            errors.append("Each step must have a higher severity than the one before.")
        worst = step.severity
    return errors


def _kind_errors(condition: TimingForm) -> list[str]:
    if not isinstance(condition, MetricForm):
        has_values = any(step.value is not None for step in condition.severities)
        return ["Only rules on metrics have severities by value."] if has_values else []
    errors = [error for clause in condition.clauses for error in _clause_errors(clause)]
    if condition.no_data != "keep" and condition.no_data_seconds is None:
        errors.append("Enter the seconds after which data is missing.")
    return errors


def _clause_errors(clause: ClauseForm) -> list[str]:
    errors = []
    if (issue := metric_name_error(clause.metric)) is not None:
        errors.append(issue[1])
    if not math.isfinite(clause.threshold) or not math.isfinite(clause.clear or 0):
        errors.append("Limits must be finite numbers.")
    if clause.measure == ClauseMeasure.VALUE and clause.seconds is not None:
        errors.append("Only a change and missing data are measured over a time.")
    if clause.measure != ClauseMeasure.VALUE and clause.seconds is None:
        errors.append(f"Enter the seconds for {clause.metric}.")
    if clause.clear is not None:
        comparison = Comparison(clause.comparison)
        if comparison not in UPWARD | DOWNWARD or clause.measure == ClauseMeasure.NO_DATA:
            errors.append("This comparison has no limit for its end.")
        elif (comparison in UPWARD) == (clause.clear > clause.threshold):
            side = "above" if comparison in UPWARD else "below"
            if clause.clear != clause.threshold:
                errors.append(f"The limit for the end must not lie {side} the threshold.")
    return errors


def program_for(condition: TimingForm, severity: str, zone: ZoneInfo) -> Program:
    """Return the program of a condition for robots in a timezone."""
    is_metric = isinstance(condition, MetricForm)
    return Program(
        clauses=tuple(
            Clause(
                clause.measure,
                clause.metric,
                Comparison(clause.comparison),
                clause.threshold,
                clause.clear,
                (clause.seconds or 0) * MICROSECONDS,
            )
            for clause in condition.clauses
        )
        if isinstance(condition, MetricForm)
        else (Clause(ClauseMeasure.VALUE, CONDITION_METRIC, Comparison.AT_LEAST, 1.0),),
        needs_all=not isinstance(condition, MetricForm) or condition.match == "all",
        severity=AlertSeverity(severity),
        hold=condition.for_seconds * MICROSECONDS,
        keep=condition.keep_firing_seconds * MICROSECONDS,
        grace=condition.grace_seconds * MICROSECONDS if is_metric else 0,
        steps=tuple(
            SeverityStep(
                AlertSeverity(step.severity),
                None if step.after_seconds is None else step.after_seconds * MICROSECONDS,
                step.value,
            )
            for step in condition.severities
        ),
        schedule=Schedule(
            tuple(
                Window(
                    frozenset(window.days),
                    time.fromisoformat(window.start),
                    time.fromisoformat(window.end),
                )
                for window in condition.windows
            ),
            zone,
        )
        if condition.windows
        else None,
        silence=_silence(condition) * MICROSECONDS,
        on_silence=NoDataAction(
            condition.no_data if isinstance(condition, MetricForm) else NoDataAction.KEEP
        ),
    )


def _silence(condition: TimingForm) -> int:
    return (condition.no_data_seconds or 0) if isinstance(condition, MetricForm) else 0
