"""Figures of alerts: noisiest rules, time to acknowledge and to resolve."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from apps.alerts.selectors.figures import MAX_ROWS, FiguresBy, alert_figures, alert_totals
from apps.alerts.services.figures import alert_figures_export
from apps.organizations.models import Facility
from urfmp.pages.views.rendering import render_page, require_permission

_PERIODS = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "1 year"))


class FiguresForm(forms.Form):
    """Period and rows of the figures; invalid values are ignored."""

    days = forms.ChoiceField(choices=_PERIODS, required=False)
    by = forms.ChoiceField(choices=FiguresBy.choices, required=False)


@require_GET
def alert_figures_page(request: HttpRequest) -> HttpResponse:
    """Show the figures, or return them as CSV."""
    require_permission(request, "alerts.view_alert")
    facilities = list(
        Facility.objects.restrict(request.user).order_by("name").values_list("name", flat=True)
    )
    form = FiguresForm(request.GET)
    form.is_valid()
    days = form.cleaned_data.get("days") or "30"
    by = form.cleaned_data.get("by") or FiguresBy.RULE.value
    chosen = request.GET.get("facility", "")
    facility = chosen if chosen in facilities else ""
    end = timezone.now()
    period: dict[str, Any] = {
        "start": end - timedelta(days=int(days)), "end": end, "facility": facility,
    }  # fmt: skip
    if request.GET.get("format") == "csv":
        text = alert_figures_export(request.user, by=by, **period)
        name = f"alert-figures_{by}_{end:%Y%m%dT%H%M%SZ}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)
    rows = alert_figures(request.user, by=by, **period)
    query = {"days": days, "by": by, "facility": facility, "format": "csv"}
    return render_page(
        request,
        "pages/alerts/figures.html",
        "Alert figures",
        rows=rows,
        is_cut=len(rows) == MAX_ROWS,
        totals=alert_totals(request.user, **period),
        by=by,
        days=days,
        facility=facility,
        periods=_PERIODS,
        groupings=FiguresBy.choices,
        facilities=facilities,
        csv_address=f"?{urlencode(query)}",
        **{name: period[name] for name in ("start", "end")},
    )
