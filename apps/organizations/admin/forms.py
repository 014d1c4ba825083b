"""The form of an organization: each setting has a field of its own."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from apps.organizations.choices import Plan
from apps.organizations.models import Organization
from apps.organizations.models.settings import (
    LOCALES,
    SETTINGS,
    STATUS_HISTORY_RETENTION_DAYS,
    TELEMETRY_RETENTION_DAYS,
    WEEKDAYS,
    timezones,
)
from urfmp.common.admin import ScopedModelForm


def timezone_choices() -> list[tuple[str, str]]:
    """Return the timezones that people choose from: by continent, without the old aliases."""
    return [(name, name) for name in sorted(timezones()) if name[:1].isupper()]


class HoursWidget(forms.MultiWidget):
    """Two clocks in a row."""

    def __init__(self, day: str) -> None:
        """Name the clocks for those who do not see where they stand."""
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
        """Return the two clocks side by side."""
        return format_html('<div class="u-hours">{}</div>', super().render(*args, **kwargs))

    def decompress(self, value: Any) -> list[Any]:
        """Return what the two clocks show."""
        return [value.get("from"), value.get("to")] if isinstance(value, dict) else [None, None]


class HoursField(forms.MultiValueField):
    """When there is work on one day: `{from, to}`, or None on a day without."""

    def __init__(self, day: str) -> None:
        """Make the field of a day."""
        clock = forms.TimeField(input_formats=["%H:%M"])
        super().__init__(
            [clock, clock],
            label=day,
            required=False,
            require_all_fields=True,
            widget=HoursWidget(day),
        )

    def compress(self, data_list: list[Any]) -> dict[str, str] | None:
        """Return the two times as they are stored."""
        if not data_list:
            return None
        start, end = (f"{clock:%H:%M}" for clock in data_list)
        return {"from": start, "to": end}

    def clean(self, value: Any) -> Any:
        """Take both times or neither.

        Raises:
            ValidationError: One of them is missing, or is no time.
        """
        if any(value) and not all(value):
            msg = "Give both times, or neither on a day without work."
            raise ValidationError(msg)
        return super().clean(value)


def _days(most: int, what: str) -> forms.IntegerField:
    return forms.IntegerField(
        min_value=1,
        max_value=most,
        required=False,
        label=f"Keep {what}, days",
        help_text=f"1 to {most}; empty: as long as the platform keeps it, {most} days.",
        widget=UnfoldAdminIntegerFieldWidget(),
    )


def _limit(what: str) -> forms.IntegerField:
    return forms.IntegerField(
        min_value=0,
        max_value=2_147_483_647,
        required=False,
        label=f"Most {what}",
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="With the plan Custom; empty for any number.",
    )


class PlanForm(forms.Form):
    """What an organization may have in use."""

    plan = forms.ChoiceField(choices=Plan.choices, widget=UnfoldAdminSelectWidget())
    robot_limit = _limit("robots")
    user_limit = _limit("people")
    api_key_limit = _limit("API keys")


class OrganizationForm(ScopedModelForm):
    """What an organization says of itself, and its settings."""

    timezone = forms.ChoiceField(
        choices=timezone_choices,
        widget=UnfoldAdminSelectWidget(),
        help_text="In which pages show times. Everything is stored in UTC.",
    )
    locale = forms.ChoiceField(
        choices=[*LOCALES.items()],
        label="Numbers and dates",
        widget=UnfoldAdminSelectWidget(),
        help_text="How charts write them.",
    )
    second_factor_required = forms.BooleanField(
        required=False,
        label="Second factor required",
        help_text="Everybody needs a code beside the password to sign in.",
        widget=UnfoldBooleanSwitchWidget(),
    )
    telemetry_retention_days = _days(TELEMETRY_RETENTION_DAYS, "telemetry")
    status_history_retention_days = _days(STATUS_HISTORY_RETENTION_DAYS, "status history")
    monday, tuesday, wednesday, thursday, friday, saturday, sunday = (
        HoursField(day.capitalize()) for day in WEEKDAYS
    )

    class Meta:
        model = Organization
        fields = ("name", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with what is stored, and with the default where nothing is."""
        super().__init__(*args, **kwargs)
        present = self.instance.effective_settings
        for name in ("timezone", "locale", "second_factor_required"):
            self.initial.setdefault(name, getattr(present, name))
        for name in ("telemetry_retention_days", "status_history_retention_days"):
            self.initial.setdefault(name, (self.instance.settings or {}).get(name))
        for day, hours in present.working_hours.items():
            times = {"from": f"{hours.start:%H:%M}", "to": f"{hours.end:%H:%M}"}
            self.initial.setdefault(day, times)

    def changes(self) -> dict[str, Any]:
        """Return the model's changed fields, and all settings when one of them was changed."""
        changes = super().changes()
        changed = set(self.changed_data)
        if changed & {*SETTINGS, *WEEKDAYS}:
            changes["settings"] = self._settings(changed)
        return changes

    def _settings(self, changed: set[str]) -> dict[str, Any]:
        stored = self.instance.settings or {}
        # What an older row holds beside the known keys would be refused: it goes.
        values = {name: stored[name] for name in SETTINGS if name in stored}
        for name in changed & set(SETTINGS):
            values[name] = self.cleaned_data[name]
        if changed & set(WEEKDAYS):
            values["working_hours"] = {
                day: self.cleaned_data[day] for day in WEEKDAYS if self.cleaned_data[day]
            }
        return {name: value for name, value in values.items() if value is not None}
