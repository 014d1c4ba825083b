"""Conditions of rules as sentences."""

from __future__ import annotations

from apps.alerts.choices.rules import (
    ClauseMeasure,
    CommandOutcome,
    Comparison,
    RuleKind,
    SecurityEvent,
    SystemMeasure,
)
from apps.alerts.protocols.conditions import (
    ClauseForm,
    CommandForm,
    MetricForm,
    SecurityForm,
    StatusForm,
    SystemForm,
    TimingForm,
)
from apps.robots.choices import RobotStatus

# Clauses that a sentence names in full.
_MAX_CLAUSE_TEXTS = 2
_SENTENCES = {
    RuleKind.CONNECTIVITY: "Robot is offline",
    RuleKind.MAINTENANCE: "Maintenance is overdue",
}


def condition_sentence(condition: TimingForm, kind: str) -> str:
    """Return a condition as a sentence without full stop."""
    if isinstance(condition, MetricForm):
        joint = " and " if condition.match == "all" else " or "
        texts = [_clause_text(clause) for clause in condition.clauses]
        more = len(texts) - _MAX_CLAUSE_TEXTS
        text = joint.join(texts if more <= 0 else [*texts[:_MAX_CLAUSE_TEXTS], f"{more} more"])
    elif isinstance(condition, StatusForm):
        labels = [RobotStatus(status).label.lower() for status in condition.statuses]
        text = f"Status is {' or '.join(labels)}"
    elif isinstance(condition, CommandForm):
        labels = [CommandOutcome(outcome).label.lower() for outcome in condition.outcomes]
        noun = "command" if condition.count == 1 else "commands"
        text = f"{condition.count} {noun} within {duration_text(condition.within_seconds)}:"
        text += f" {' or '.join(labels)}"
    elif isinstance(condition, SecurityForm):
        labels = [SecurityEvent(event).label for event in condition.events]
        text = f"{' or '.join([labels[0], *(label.lower() for label in labels[1:])])}:"
        text += f" {condition.count} within {duration_text(condition.within_seconds)}"
    elif isinstance(condition, SystemForm):
        label = SystemMeasure(condition.measure).label
        text = f"{label} is older than {duration_text(condition.threshold_seconds)}"
    else:
        text = _SENTENCES[RuleKind(kind)]
    if condition.for_seconds:
        text += f" for {duration_text(condition.for_seconds)}"
    if isinstance(condition, MetricForm) and condition.no_data == "alert":
        text += f", or no data for {duration_text(condition.no_data_seconds or 0)}"
    return text


def _clause_text(clause: ClauseForm) -> str:
    if clause.measure == ClauseMeasure.NO_DATA:
        return f"{clause.metric} has no data for {duration_text(clause.seconds or 0)}"
    limit = f"{Comparison(clause.comparison).label} {clause.threshold:g}"
    if clause.measure == ClauseMeasure.RATE:
        over = duration_text(clause.seconds or 0)
        return f"change of {clause.metric} over {over} is {limit}"
    return f"{clause.metric} is {limit}"


def duration_text(seconds: int) -> str:
    """Return a duration in its largest whole unit, such as `2 min`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
