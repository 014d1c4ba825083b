"""Telemetry as charts: any robot, any of its metrics, any range."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.telemetry.metrics import metric_of
from apps.telemetry.selectors import latest_values
from urfmp.common.fields import validate_moment
from urfmp.pages.metrics import charts_for
from urfmp.pages.selectors import robot_choices
from urfmp.pages.views.page import page, require

PRESETS = {
    "15m": ("15 min", timedelta(minutes=15)),
    "1h": ("1 hour", timedelta(hours=1)),
    "6h": ("6 hours", timedelta(hours=6)),
    "24h": ("24 hours", timedelta(hours=24)),
    "7d": ("7 days", timedelta(days=7)),
}
_METRICS_AT_ONCE = 40


class RangeForm(forms.Form):
    """Which robot, and from when to when: one of the presets, or two times of one's own."""

    robot = forms.TypedChoiceField(required=False)
    range = forms.ChoiceField(
        required=False,
        choices=[*((key, label) for key, (label, _) in PRESETS.items()), ("own", "Own range")],
    )
    start = forms.DateTimeField(required=False, validators=[validate_moment])
    end = forms.DateTimeField(required=False, validators=[validate_moment])

    def __init__(self, data: Any, robots: list[tuple[Any, str]]) -> None:
        """Offer the robots that may be seen."""
        super().__init__(data)
        self.fields["robot"].choices = [(str(pk), name) for pk, name in robots]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Check that an own range is one."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("range") == "own":
            start, end = values.get("start"), values.get("end")
            if start is None or end is None or start >= end:
                self.add_error("range", "Give a start, and an end after it.")
        return values

    def limits(self) -> tuple[datetime, datetime, bool]:
        """Return start, end, and whether the end is now and moves on."""
        if self.is_valid() and self.cleaned_data["range"] == "own":
            return self.cleaned_data["start"], self.cleaned_data["end"], False
        preset = self.cleaned_data.get("range") or "1h" if self.is_valid() else "1h"
        now = timezone.now()
        return now - PRESETS[preset][1], now, True


def telemetry_page(request: HttpRequest) -> HttpResponse:
    """Show the form and, once a robot is chosen, its charts."""
    require(request, "telemetry.view_robottelemetry")
    robots = robot_choices(request.user)
    form = RangeForm(request.GET, robots)
    chosen = form.cleaned_data.get("robot") if form.is_valid() else None
    robot_id = next((pk for pk, _ in robots if str(pk) == chosen), robots[0][0] if robots else None)
    values = latest_values([robot_id]) if robot_id else []
    metrics = [(value.metric_name, value.unit) for value in values]
    asked = set(request.GET.getlist("metrics"))
    wanted = [metric for metric in metrics if metric[0] in asked] or _first_chart(metrics)
    start, end, is_live = form.limits()
    return page(
        request,
        "pages/telemetry.html",
        "Telemetry",
        form=form,
        robots=robots,
        robot_id=robot_id,
        presets={key: label for key, (label, _) in PRESETS.items()},
        range=request.GET.get("range", "1h") if form.is_valid() else "1h",
        groups=_groups(metrics),
        wanted={name for name, _ in wanted},
        charts=charts_for(wanted[:_METRICS_AT_ONCE]),
        start=start,
        end=end,
        is_live=is_live,
        may_export=request.user.has_perm("telemetry.export_robottelemetry"),
    )


def _first_chart(metrics: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    first = charts_for(metrics)[:1]
    return [metric for metric in metrics if first and metric[0] in first[0].labels]


def _groups(metrics: list[tuple[str, str | None]]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (chart.title, [(name, metric_of(name).label) for name in chart.labels])
        for chart in charts_for(metrics)
    ]
