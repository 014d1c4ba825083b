"""Rules that the vendor profiles propose.

Limits are proposals of the platform, not ratings of the manufacturer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.rules import RuleKind
from apps.robots.models import Robot
from apps.robots.selectors.profiles import vendor_profile
from apps.robots.selectors.profiles.definitions import Metric

# Share of a limit by which a value must return before an alert ends.
_HYSTERESIS = 0.06


@dataclass(frozen=True)
class BuiltInRule:
    """A proposed rule: a metric is beyond its limit in the profile.

    Attributes:
        name: Name of the rule.
        metrics: Names of metrics, or beginnings of names that end with a dot or letter.
        severity: Severity of its alerts.
        for_seconds: Time for which the condition must hold.
        worse: Higher severity, and how far beyond the limit it begins.
    """

    name: str
    metrics: tuple[str, ...]
    severity: AlertSeverity
    for_seconds: int = 0
    worse: tuple[AlertSeverity, float] | None = None


_RULES = (
    BuiltInRule("Emergency stop", ("safety.emergency_stop",), AlertSeverity.CRITICAL),
    BuiltInRule("Protective stop", ("safety.protective_stop",), AlertSeverity.ERROR),
    BuiltInRule(
        "Motor is hot", ("temperature.motor.joint",), AlertSeverity.WARNING, 30,
        (AlertSeverity.ERROR, 15),
    ),
    BuiltInRule("Controller is hot", ("temperature.controller",), AlertSeverity.WARNING, 60),
    BuiltInRule(
        "Battery is low", ("battery.charge",), AlertSeverity.WARNING, 60,
        (AlertSeverity.ERROR, -10),
    ),
    BuiltInRule("Robot is off its path", ("navigation.path_deviation",), AlertSeverity.WARNING, 10),
)  # fmt: skip


# For every vendor.
_OBSERVED: tuple[dict[str, Any], ...] = (
    {
        "name": "Robot in error",
        "kind": "status",
        "severity": "error",
        "condition": {"statuses": ["error"], "for_seconds": 120},
    },
    {
        "name": "Robot is offline",
        "kind": "connectivity",
        "severity": "warning",
        "condition": {"for_seconds": 300},
    },
    {
        "name": "Maintenance is overdue",
        "kind": "maintenance",
        "severity": "warning",
        "condition": {},
    },
)


def built_in_rules(vendors: Iterable[str]) -> list[dict[str, Any]]:
    """Return the proposed rules for vendors, as columns of alert rules."""
    metrics = {
        metric.name: metric for vendor in vendors for metric in vendor_profile(vendor).metrics
    }
    found = []
    for rule in _RULES:
        clauses = [
            _clause(metric)
            for name, metric in metrics.items()
            if any(name == wanted or name[:-1] == wanted for wanted in rule.metrics)
        ]
        if clauses:
            found.append(_columns(rule, clauses))
    return [*found, *_OBSERVED]


def _clause(metric: Metric) -> dict[str, Any]:
    if not metric.unit:  # a state, which is 1 or 0
        return {"metric": metric.name, "comparison": ">=", "threshold": 1.0}
    limit = metric.maximum if metric.maximum is not None else metric.minimum or 0.0
    is_upper = metric.maximum is not None
    margin = abs(limit) * _HYSTERESIS * (-1 if is_upper else 1)
    return {
        "metric": metric.name,
        "comparison": ">" if is_upper else "<",
        "threshold": limit,
        "clear": round(limit + margin, 3),
    }


def _columns(rule: BuiltInRule, clauses: list[dict[str, Any]]) -> dict[str, Any]:
    condition: dict[str, Any] = {"clauses": clauses, "for_seconds": rule.for_seconds}
    if len(clauses) > 1:
        condition["match"] = "any"
    if rule.worse is not None:
        severity, beyond = rule.worse
        value = clauses[0]["threshold"] + beyond
        condition["severities"] = [{"severity": severity.value, "value": value}]
    return {
        "name": rule.name,
        "kind": RuleKind.METRIC.value,
        "severity": rule.severity.value,
        "condition": condition,
    }


def proposed_rules() -> list[dict[str, Any]]:
    """Return the proposed rules for the vendors of the open organization's robots."""
    vendors = Robot.objects.in_service().order_by("vendor").values_list("vendor", flat=True)
    return built_in_rules(vendors.distinct())
