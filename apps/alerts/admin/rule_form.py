"""The form of an alert rule, without JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import time
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminTimeWidget,
)

from apps.alerts.admin.rule_fields import COUNTED, FIELDS_OF_KIND, SHOWN, TARGETS
from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.rules import (
    ORGANIZATION_KINDS,
    ClauseMeasure,
    CommandOutcome,
    Comparison,
    NoDataAction,
    RuleKind,
    RuleScope,
    SecurityEvent,
    SystemMeasure,
)
from apps.alerts.models import AlertRule
from apps.alerts.protocols.conditions import DEFAULT_GRACE_SECONDS, KINDS, MAX_DURATION_SECONDS
from apps.alerts.selectors.rules import known_metric_names
from apps.organizations.models import Facility
from apps.robots.admin.robot_form import DatalistInput
from apps.robots.choices import RobotStatus
from urfmp.common.admin import ScopedModelForm, restricted

_CLAUSE = ("metric", "measure", "comparison", "threshold", "clear", "seconds")
_TIMING = ("for_seconds", "keep_firing_seconds", "grace_seconds")
# Fields of a condition that are fields of the form.
_PLAIN = (
    "statuses", "outcomes", "events", "count", "within_seconds", "threshold_seconds", "no_data",
    "no_data_seconds",
)  # fmt: skip
_REQUIRED: dict[Any, tuple[str, ...]] = {
    RuleKind.METRIC: ("metric",),
    RuleKind.STATUS: ("statuses",),
    RuleKind.COMMAND: ("outcomes",),
    RuleKind.SECURITY: ("events",),
    RuleKind.SYSTEM: ("system_measure", "threshold_seconds"),
}
_REQUIRED_TEXT = "This field is required."
_MEASURES = [
    (ClauseMeasure.VALUE.value, "Value"),
    (ClauseMeasure.RATE.value, "Change"),
    (ClauseMeasure.NO_DATA.value, "No data"),
]
_DAYS = [
    ("1", "Monday"), ("2", "Tuesday"), ("3", "Wednesday"), ("4", "Thursday"), ("5", "Friday"),
    ("6", "Saturday"), ("7", "Sunday"),
]  # fmt: skip


def _number(label: str, help_text: str = "") -> forms.FloatField:
    widget = UnfoldAdminDecimalFieldWidget(attrs={"step": "any"})
    return forms.FloatField(required=False, label=label, widget=widget, help_text=help_text)


def _seconds(label: str, help_text: str = "", initial: int | None = None) -> forms.IntegerField:
    return forms.IntegerField(
        required=False,
        label=label,
        min_value=0,
        max_value=MAX_DURATION_SECONDS,
        initial=initial,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=help_text,
    )


def _whole(
    label: str, help_text: str = "", *, initial: int | None = None, minimum: int = 1
) -> forms.IntegerField:
    field = _seconds(label, help_text, initial)
    return forms.IntegerField(
        required=False,
        label=label,
        min_value=minimum,
        max_value=MAX_DURATION_SECONDS,
        initial=initial,
        widget=field.widget,
        help_text=help_text,
    )


def _several(label: str, choices: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        required=False,
        choices=choices,
        label=label,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )


def _choice(
    label: str, choices: Any, *, required: bool = False, **kwargs: Any
) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=choices, required=required, widget=UnfoldAdminSelectWidget(), **kwargs
    )


class AlertRuleForm(ScopedModelForm):
    """Form of a rule.

    A rule on metrics has two comparisons, one window and one step. More of them, set through the
    API, are kept.
    """

    facility = _choice("Facility", ())
    kind = _choice(
        "Observe",
        [(kind, RuleKind(kind).label) for kind in KINDS],
        required=True,
        help_text="Security and system rules observe the organization; the others observe robots.",
    )
    statuses = forms.MultipleChoiceField(
        required=False, choices=RobotStatus.choices, label="Status is one of",
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )  # fmt: skip
    outcomes = _several("Commands that are", CommandOutcome.choices)
    events = _several("Events", SecurityEvent.choices)
    count = _whole("How many", "Opens an alert from this number on.", initial=1)
    within_seconds = _whole(
        "Within, seconds", "Time in which they are counted; at least 60.", minimum=60
    )
    system_measure = _choice("Age of", SystemMeasure.choices)
    threshold_seconds = _whole("Older than, seconds")
    metric = forms.CharField(
        required=False, max_length=100, widget=UnfoldAdminTextInputWidget(),
        help_text="Name of the metric as robots send it, such as temperature.motor.joint1.",
    )  # fmt: skip
    measure = _choice(
        "Compare",
        _MEASURES,
        help_text="Its value, how much it changes within a time, or that no point arrives.",
    )
    comparison = _choice("Is", Comparison.choices)
    threshold = _number("Threshold", "In the unit in which robots send the metric.")
    clear = _number(
        "Ends at",
        "An open alert ends at this value, so that a value near the threshold does not"
        " open one alert after the other. Empty: at the threshold.",
    )
    seconds = _seconds("Over, seconds", "Time of the change, or without data.")
    second_metric = forms.CharField(
        required=False, max_length=100, label="Metric", widget=UnfoldAdminTextInputWidget()
    )
    second_measure = _choice("Compare", _MEASURES)
    second_comparison = _choice("Is", Comparison.choices)
    second_threshold = _number("Threshold")
    second_clear = _number("Ends at")
    second_seconds = _seconds("Over, seconds")
    match = _choice("Both must hold", [("all", "Both must hold"), ("any", "One is enough")])
    for_seconds = _seconds(
        "For, seconds", "The condition must hold this long without a break. 0: at once.", initial=0
    )
    keep_firing_seconds = _seconds(
        "Keep firing, seconds", "The alert stays open until this long after the condition ended.",
        initial=0,
    )  # fmt: skip
    no_data = _choice(
        "Without data",
        NoDataAction.choices,
        help_text="What happens if a robot that is online sends no point of the metric.",
    )
    no_data_seconds = _whole(
        "No data after, seconds",
        "Time without a point, for one of the metrics.",
    )
    grace_seconds = _seconds(
        "Wait for late points, seconds",
        "Points that arrive later than this do not change what the rule has decided.",
        initial=DEFAULT_GRACE_SECONDS,
    )
    step_severity = _choice(
        "Raise to",
        [("", "No step"), *AlertSeverity.choices],
        help_text="The severity rises after a time, or from a value on.",
    )
    step_after_seconds = _seconds("After, seconds", "Time since the alert was opened.")
    step_value = _number("From value", "Value of the metric.")
    days = forms.MultipleChoiceField(
        required=False, choices=_DAYS, widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="None: always.",
    )  # fmt: skip
    start = forms.TimeField(required=False, label="From", widget=UnfoldAdminTimeWidget())
    end = forms.TimeField(
        required=False, label="Until", widget=UnfoldAdminTimeWidget(),
        help_text="Local time of the facility; may be on the next day.",
    )  # fmt: skip

    class Meta:
        model = AlertRule
        fields = (
            "name", "scope", "facility", "model", "robot", "kind", "severity",
            "reopen_seconds", "is_enabled",
        )  # fmt: skip
        labels = {"reopen_seconds": "Reopen within, seconds"}
        help_texts = {
            "name": "Title of the alerts. Of several rules with one name the nearest to a robot"
            " applies: the robot's, its model's, its facility's, that of all robots.",
            "reopen_seconds": "A condition that returns within this time reopens its alert.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "facility" not in self.fields:
            return
        names = restricted(Facility, self.request).values_list("name", flat=True)
        self.fields["facility"].choices = [("", "None"), *((name, name) for name in names)]  # type: ignore[attr-defined]
        known = [(name, "") for name in known_metric_names()]
        for name in ("metric", "second_metric"):
            self.fields[name].widget = DatalistInput(known)
        for name, shown in SHOWN.items():
            if name not in self.fields:
                continue  # the user may only view the rule
            self.fields[name].widget.attrs["data-shows"] = json.dumps(shown)
        for name, value in self._stored_values().items():
            self.initial.setdefault(name, value)

    def _stored_values(self) -> dict[str, Any]:
        condition = self.instance.condition or {}
        values: dict[str, Any] = {
            name: condition[name] for name in (*_TIMING, "match") if name in condition
        }
        values |= {name: condition[name] for name in _PLAIN if name in condition}
        if "measure" in condition:
            values["system_measure"] = condition["measure"]
        for prefix, clause in zip(("", "second_"), condition.get("clauses", ()), strict=False):
            values |= {f"{prefix}{name}": clause[name] for name in _CLAUSE if name in clause}
        for step in condition.get("severities", [])[:1]:
            values |= {f"step_{name}": value for name, value in step.items()}
        for window in condition.get("windows", [])[:1]:
            values["days"] = [str(day) for day in window["days"]]
            values |= {name: time.fromisoformat(window[name]) for name in ("start", "end")}
        return values

    def clean(self) -> dict[str, Any]:
        """Keep what scope and kind need; reject an incomplete window."""
        values = super().clean()
        for name in self._unused(values):
            values[name] = None
            self.errors.pop(name, None)
        for scope, name in TARGETS.items():
            if values.get("scope") != scope:
                values[name] = None
            elif not values.get(name):
                self.add_error(name, _REQUIRED_TEXT)
        for name, text in self._incomplete(values):
            if name not in self.errors:
                self.add_error(name, text)
        return values

    def _unused(self, values: dict[str, Any]) -> set[str]:
        """Return the fields of other kinds, whose content is ignored."""
        names = {name for fields in FIELDS_OF_KIND.values() for name in fields}
        return names - set(FIELDS_OF_KIND.get(values.get("kind", ""), names))

    def _incomplete(self, values: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Return the fields that the rule needs, with the error of each."""
        kind = values.get("kind")
        if values.get("days") and not (values.get("start") and values.get("end")):
            yield "start", "Enter when the rule applies on these days."
        required = [*_REQUIRED.get(kind, ())]
        if kind == RuleKind.METRIC:
            if values.get("measure") != ClauseMeasure.NO_DATA:
                required.append("threshold")
            if values.get("no_data") not in {None, "", NoDataAction.KEEP}:
                required.append("no_data_seconds")
        for name in required:
            if values.get(name) in (None, "", []):
                yield name, "Select a status." if name == "statuses" else _REQUIRED_TEXT
        if kind in ORGANIZATION_KINDS and values.get("scope") != RuleScope.ORGANIZATION:
            yield "scope", "Rules of this kind observe the whole organization."

    def _get_validation_exclusions(self) -> set[str]:
        # The service reports a name that is taken; a stored rule can be tried under its name.
        return super()._get_validation_exclusions() | {"name"}

    def field_of_error(self, name: str) -> str | None:
        """Show errors of the condition above the form."""
        return None if name == "condition" else super().field_of_error(name)

    def condition(self) -> dict[str, Any]:
        """Return the condition that the fields describe."""
        stored = self.instance.condition or {}
        values = self.cleaned_data
        condition = self._observed(stored)
        condition |= {name: values[name] for name in _TIMING if values.get(name) is not None}
        steps, windows = stored.get("severities", [])[1:], stored.get("windows", [])[1:]
        if values.get("step_severity"):
            step = {
                "severity": values["step_severity"],
                "after_seconds": values.get("step_after_seconds"),
                "value": values.get("step_value"),
            }
            steps = [{name: value for name, value in step.items() if value is not None}, *steps]
        if values.get("days"):
            window = {
                "days": [int(day) for day in values["days"]],
                **{name: values[name].strftime("%H:%M") for name in ("start", "end")},
            }
            windows = [window, *windows]
        return condition | {"severities": steps, "windows": windows}

    def _observed(self, stored: dict[str, Any]) -> dict[str, Any]:
        """Return what the rule observes."""
        values = self.cleaned_data
        if values["kind"] == RuleKind.STATUS:
            return {"statuses": values["statuses"]}
        if values["kind"] == RuleKind.SYSTEM:
            return {
                "measure": values["system_measure"],
                "threshold_seconds": values["threshold_seconds"],
            }
        if values["kind"] != RuleKind.METRIC:
            names = COUNTED.get(values["kind"], ())
            return {name: values[name] for name in names if values.get(name) not in (None, "")}
        clauses = [self._clause("")]
        clauses += [self._clause("second_")] if values.get("second_metric") else []
        clauses += stored.get("clauses", [])[2:]
        joint = {"match": values["match"]} if len(clauses) > 1 and values.get("match") else {}
        options = ("no_data", "no_data_seconds")
        missing = {name: values[name] for name in options if values.get(name) not in (None, "")}
        return {"clauses": clauses, **joint, **missing}

    def _clause(self, prefix: str) -> dict[str, Any]:
        values = {name: self.cleaned_data.get(f"{prefix}{name}") for name in _CLAUSE}
        if values["measure"] in ("", ClauseMeasure.VALUE):
            values["seconds"] = None
        if values["measure"] == ClauseMeasure.NO_DATA:
            values |= {"comparison": None, "threshold": None, "clear": None}
        return {name: value for name, value in values.items() if value not in (None, "")}

    def service_kwargs(self) -> dict[str, Any]:
        """Return the changed columns, and the condition."""
        return {**super().service_kwargs(), "condition": self.condition()}
