"""Forms of organizations and their settings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from apps.organizations.choices import MAX_PLAN_LIMIT, MaintenanceType, Plan
from apps.organizations.models import Organization
from apps.organizations.models.settings import (
    LOCALES,
    MAX_APPROVAL_COST,
    MAX_OFFLINE_AFTER_SECONDS,
    MAX_STATUS_HISTORY_RETENTION_DAYS,
    MAX_TELEMETRY_RETENTION_DAYS,
    MIN_OFFLINE_AFTER_SECONDS,
    RETENTION_SETTINGS,
    SETTINGS,
    WEEKDAYS,
)
from urfmp.common.admin import ScopedModelForm
from urfmp.common.time.zones import timezone_choices


class HoursWidget(forms.MultiWidget):
    """Start and end time, side by side."""

    def __init__(self, day: str) -> None:
        """Label both inputs for screen readers."""
        classes = " ".join([*INPUT_CLASSES, "u-clock"])
        super().__init__(
            {
                end: forms.TimeInput(
                    format="%H:%M",
                    attrs={"type": "time", "class": classes, "aria-label": f"{day}, {end}"},
                )
                for end in ("from", "to")
            }
        )

    def render(self, *args: Any, **kwargs: Any) -> SafeString:
        """Render both inputs in one row."""
        return format_html('<div class="u-hours">{}</div>', super().render(*args, **kwargs))

    def decompress(self, value: Any) -> list[Any]:
        """Return the initial values of both inputs."""
        return [value.get("from"), value.get("to")] if isinstance(value, dict) else [None, None]


class HoursField(forms.MultiValueField):
    """Working hours of one day: `{from, to}`, or None without work."""

    def __init__(self, day: str) -> None:
        """Create the field of a weekday."""
        time_field = forms.TimeField(input_formats=["%H:%M"])
        super().__init__(
            [time_field, time_field],
            label=day,
            required=False,
            require_all_fields=True,
            widget=HoursWidget(day),
        )

    def compress(self, data_list: list[Any]) -> dict[str, str] | None:
        """Return both times in the stored format."""
        if not data_list:
            return None
        start, end = (f"{clock:%H:%M}" for clock in data_list)
        return {"from": start, "to": end}

    def clean(self, value: Any) -> Any:
        """Validate that both times are given, or neither.

        Raises:
            ValidationError: One time is missing or invalid.
        """
        if any(value) and not all(value):
            msg = "Enter both times, or leave both blank on a day without work."
            raise ValidationError(msg)
        return super().clean(value)


def _retention_field(max_days: int, data: str) -> forms.IntegerField:
    return forms.IntegerField(
        min_value=1,
        max_value=max_days,
        required=False,
        label=f"Keep {data}, days",
        help_text=f"1 to {max_days}. Leave blank for the maximum of {max_days} days. A shorter"
        " period takes effect a day later.",
        widget=UnfoldAdminIntegerFieldWidget(),
    )


def _limit_field(resources: str) -> forms.IntegerField:
    return forms.IntegerField(
        min_value=0,
        max_value=MAX_PLAN_LIMIT,
        required=False,
        label=f"Max {resources}",
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="For the plan Custom; leave blank for no limit.",
    )


class PlanForm(forms.Form):
    """Plan and limits of an organization."""

    plan = forms.ChoiceField(choices=Plan.choices, widget=UnfoldAdminSelectWidget())
    robot_limit = _limit_field("robots")
    user_limit = _limit_field("users")
    api_key_limit = _limit_field("API keys")


class OrganizationForm(ScopedModelForm):
    """Name, description and settings of an organization."""

    timezone = forms.ChoiceField(
        choices=timezone_choices,
        widget=UnfoldAdminSelectWidget(),
        help_text="Pages show times in this timezone. Times are stored in UTC.",
    )
    locale = forms.ChoiceField(
        choices=[*LOCALES.items()],
        label="Number format",
        widget=UnfoldAdminSelectWidget(),
        help_text="Separators of numbers in pages and charts.",
    )
    second_factor_required = forms.BooleanField(
        required=False,
        label="Second factor required",
        help_text="Every user needs a code in addition to the password to sign in.",
        widget=UnfoldBooleanSwitchWidget(),
    )
    second_approval_required = forms.BooleanField(
        required=False,
        label="Second approval required",
        help_text="A second user approves firmware updates, and resets after a stop request,"
        " within 10 minutes.",
        widget=UnfoldBooleanSwitchWidget(),
    )
    telemetry_retention_days = _retention_field(MAX_TELEMETRY_RETENTION_DAYS, "telemetry")
    status_history_retention_days = _retention_field(
        MAX_STATUS_HISTORY_RETENTION_DAYS, "status history"
    )
    offline_after_seconds = forms.IntegerField(
        min_value=MIN_OFFLINE_AFTER_SECONDS,
        max_value=MAX_OFFLINE_AFTER_SECONDS,
        required=False,
        label="Robots offline after, seconds",
        help_text="Time without contact after which a robot is offline. Leave blank for the"
        " default of this installation. A robot may have a value of its own.",
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    maintenance_approval_above_cost = forms.IntegerField(
        min_value=0,
        max_value=MAX_APPROVAL_COST,
        required=False,
        label="Approve maintenance above a cost of",
        help_text="A second user approves finished work that costs more. Leave blank for no limit.",
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    maintenance_approval_types = forms.MultipleChoiceField(
        choices=MaintenanceType.choices,
        required=False,
        label="Approve maintenance of the types",
        help_text="A second user approves finished work of these types.",
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    monday, tuesday, wednesday, thursday, friday, saturday, sunday = (
        HoursField(day.capitalize()) for day in WEEKDAYS
    )

    class Meta:
        model = Organization
        fields = ("name", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Set initial values from the stored settings and the defaults."""
        super().__init__(*args, **kwargs)
        current = self.instance.effective_settings
        for name in ("timezone", "locale", "second_factor_required", "second_approval_required"):
            self.initial.setdefault(name, getattr(current, name))
        for name in (
            *RETENTION_SETTINGS,
            "offline_after_seconds",
            "maintenance_approval_above_cost",
        ):
            self.initial.setdefault(name, (self.instance.settings or {}).get(name))
        self.initial.setdefault(
            "maintenance_approval_types", list(current.maintenance_approval_types)
        )
        for day, hours in current.working_hours.items():
            times = {"from": f"{hours.start:%H:%M}", "to": f"{hours.end:%H:%M}"}
            self.initial.setdefault(day, times)

    def service_kwargs(self) -> dict[str, Any]:
        """Return the changed fields, and all settings if one of them changed."""
        changes = super().service_kwargs()
        changed = set(self.changed_data)
        if changed & {*SETTINGS, *WEEKDAYS}:
            changes["settings"] = self._settings(changed)
        return changes

    def _settings(self, changed: set[str]) -> dict[str, Any]:
        stored = self.instance.settings or {}
        # Unknown keys of an older row would be rejected, so they are dropped.
        values = {name: stored[name] for name in SETTINGS if name in stored}
        for name in changed & set(SETTINGS):
            values[name] = self.cleaned_data[name]
        if changed & set(WEEKDAYS):
            values["working_hours"] = {
                day: self.cleaned_data[day] for day in WEEKDAYS if self.cleaned_data[day]
            }
        return {name: value for name, value in values.items() if value not in (None, [])}
