"""Routes in the admin."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
)

from apps.alerts.admin.notifications.fields import (
    matchers_text,
    severities_field,
    types_field,
)
from apps.alerts.choices.notifications import MAX_MINUTES
from apps.alerts.models import NotificationChannel, NotificationRoute
from apps.alerts.services.notifications.routes import (
    Step,
    route_create,
    route_delete,
    route_update,
)
from urfmp.common.admin import OrganizationScopedAdmin, ScopedModelForm, request_user, restricted

# Escalations that the form shows; the API accepts more.
_ESCALATIONS = (1, 2)


class _ChannelsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            queryset=NotificationChannel.objects.none(),
            required=False,
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
            **kwargs,
        )


def _minutes_field(number: int) -> forms.IntegerField:
    return forms.IntegerField(
        label=f"Escalation {number} after, minutes",
        required=False,
        min_value=1,
        max_value=MAX_MINUTES,
        help_text="If the alert is not acknowledged by then, the channels below are notified too.",
        widget=UnfoldAdminIntegerFieldWidget(),
    )


class RouteForm(ScopedModelForm):
    """Matchers, channels and escalations of a route."""

    severities = severities_field()
    types = types_field()
    channels = _ChannelsField(label="Notify", help_text="Notified at once.")
    minutes_1 = _minutes_field(1)
    channels_1 = _ChannelsField(label="Escalate to")
    minutes_2 = _minutes_field(2)
    channels_2 = _ChannelsField(label="Escalate to")

    class Meta:
        model = NotificationRoute
        fields = (
            "name", "is_enabled", "position", "severities", "types", "facility", "hours",
            "continues", "group_wait_seconds", "group_interval_seconds", "repeat_minutes",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        channels = restricted(NotificationChannel, self.request) if self.request else None
        for name in ("channels", *(f"channels_{number}" for number in _ESCALATIONS)):
            if name in self.fields:
                self.fields[name].queryset = channels  # type: ignore[attr-defined]
        if not self.is_new:
            self._show_steps()

    def _show_steps(self) -> None:
        by_minutes: dict[int, list[Any]] = {}
        for step in self.instance.steps.all():
            by_minutes.setdefault(step.after_minutes, []).append(step.channel_id)
        self.initial["channels"] = by_minutes.pop(0, [])
        for number, minutes in zip(_ESCALATIONS, sorted(by_minutes), strict=False):
            self.initial[f"minutes_{number}"] = minutes
            self.initial[f"channels_{number}"] = by_minutes[minutes]

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        for number in _ESCALATIONS:
            minutes, channels = values.get(f"minutes_{number}"), values.get(f"channels_{number}")
            if minutes and not channels:
                self.add_error(f"channels_{number}", "Choose a channel to escalate to.")
            elif channels and not minutes:
                self.add_error(f"minutes_{number}", "Enter the minutes to escalate after.")
        return values

    def field_of_error(self, name: str) -> str | None:
        return super().field_of_error("channels" if name == "steps" else name)

    def steps(self) -> list[Step]:
        """Return the form's steps, and those that it does not show."""
        values = self.cleaned_data
        steps = [Step(channel) for channel in values["channels"]]
        for number in _ESCALATIONS:
            minutes = values.get(f"minutes_{number}")
            steps += [Step(channel, minutes) for channel in values[f"channels_{number}"] if minutes]
        return steps + self._hidden_steps()

    def _hidden_steps(self) -> list[Step]:
        if self.is_new:
            return []
        rows = list(self.instance.steps.select_related("channel"))
        times = sorted({row.after_minutes for row in rows if row.after_minutes})
        hidden = set(times[len(_ESCALATIONS) :])
        return [Step(row.channel, row.after_minutes) for row in rows if row.after_minutes in hidden]


@admin.register(NotificationRoute)
class NotificationRouteAdmin(OrganizationScopedAdmin[NotificationRoute]):
    audit_resource = "route"
    empty_text = "Routes that send alerts to channels appear here. Without one, no alert is sent."
    form = RouteForm
    list_display = ("name", "position", "matches", "hours", "sends_to", "is_enabled")
    list_filter = ("is_enabled", "facility")
    search_fields = ("name",)
    search_help_text = "Search by name"
    list_select_related = ("facility",)
    fieldsets = (
        (None, {"fields": ("name", ("position", "is_enabled"))}),
        ("Which alerts", {"fields": ("severities", "types", "facility", "hours", "continues")}),
        ("Who is notified", {"fields": ("channels", "repeat_minutes")}),
        (
            "Escalation",
            {"fields": ("minutes_1", "channels_1", "minutes_2", "channels_2")},
        ),
        ("Grouping of e-mails", {"fields": (("group_wait_seconds", "group_interval_seconds"),)}),
    )
    ordering: ClassVar = ("position", "name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.prefetch_related("steps__channel")

    @admin.display(description="Matches")
    def matches(self, route: NotificationRoute) -> str:
        return matchers_text(route)

    @admin.display(description="Notifies")
    def sends_to(self, route: NotificationRoute) -> str:
        parts = []
        for step in route.steps.all():
            after = f" after {step.after_minutes} min" if step.after_minutes else ""
            parts.append(f"{step.channel}{after}")
        return ", ".join(parts)

    def perform_create(self, request: HttpRequest, form: Any) -> NotificationRoute:
        return route_create(
            organization_id=request_user(request).organization_id,
            steps=form.steps(),
            **form.service_kwargs(),
        )

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> NotificationRoute:
        return route_update(obj, steps=form.steps(), **form.service_kwargs())

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        route_delete(obj)
