"""The fields that a rule's form has for each kind."""

from __future__ import annotations

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.rules import ClauseMeasure, NoDataAction, RuleKind, RuleScope

TARGETS = {
    RuleScope.FACILITY: "facility",
    RuleScope.MODEL: "model",
    RuleScope.ROBOT: "robot",
}
COUNTED: dict[str, tuple[str, ...]] = {
    RuleKind.COMMAND: ("outcomes", "count", "within_seconds"),
    RuleKind.SECURITY: ("events", "count", "within_seconds"),
}
_SECOND = (
    "match", "second_metric", "second_measure", "second_comparison", "second_threshold",
    "second_clear", "second_seconds",
)  # fmt: skip
# Fields of the form that a rule of each kind has beside those of every rule.
FIELDS_OF_KIND: dict[str, tuple[str, ...]] = {
    RuleKind.METRIC: (
        "metric", "measure", "comparison", "threshold", "clear", "seconds", "no_data",
        "no_data_seconds", "step_value", *_SECOND,
    ),
    RuleKind.STATUS: ("statuses",),
    RuleKind.CONNECTIVITY: (),
    RuleKind.MAINTENANCE: (),
    RuleKind.SYSTEM: ("system_measure", "threshold_seconds"),
    **COUNTED,
}  # fmt: skip
_FIELDS_OF_SCOPE: dict[str, tuple[str, ...]] = {
    scope: (TARGETS[scope],) if scope in TARGETS else () for scope in RuleScope
}
_COMPARED = ("comparison", "threshold", "clear")
_FIELDS_OF_MEASURE = {
    ClauseMeasure.VALUE: _COMPARED,
    ClauseMeasure.RATE: (*_COMPARED, "seconds"),
    ClauseMeasure.NO_DATA: ("seconds",),
}
# Fields that the script of the form shows, by the field and value that need them. Without scripts
# all fields are shown, and those that the rule does not need are ignored.
SHOWN: dict[str, dict[str, tuple[str, ...]]] = {
    "kind": FIELDS_OF_KIND,
    "scope": _FIELDS_OF_SCOPE,
    "measure": {str(value): names for value, names in _FIELDS_OF_MEASURE.items()},
    "second_measure": {
        str(value): tuple(f"second_{name}" for name in names)
        for value, names in _FIELDS_OF_MEASURE.items()
    },
    "no_data": {
        NoDataAction.KEEP: (),
        NoDataAction.ALERT: ("no_data_seconds",),
        NoDataAction.RESOLVE: ("no_data_seconds",),
    },
    "step_severity": {
        "": (),
        **dict.fromkeys(AlertSeverity.values, ("step_after_seconds", "step_value")),
    },
}
