"""The inbox: alerts in groups, actions on many, and undo."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.core import signing
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from apps.accounts.models import User
from apps.alerts.choices.alerts import MAX_BULK_ALERTS, MAX_UNDO_AGE, AlertSeverity, BulkAction
from apps.alerts.models import Alert
from apps.alerts.selectors.inbox import (
    InboxAssignee,
    InboxFilters,
    InboxGrouping,
    InboxState,
    alerts_of_groups,
    facility_storms,
    inbox_groups,
)
from apps.alerts.services.bulk import Change, alerts_act, alerts_undo
from apps.organizations.models import Facility
from urfmp.common.admin import request_user
from urfmp.pages.views.rendering import render_page, require_permission

_SALT = "alerts.undo"
_MAX_USERS = 200
SNOOZES = (("1", "1 hour"), ("4", "4 hours"), ("24", "1 day"), ("168", "1 week"))
_DONE = {
    BulkAction.ACKNOWLEDGE: "acknowledged",
    BulkAction.ASSIGN: "assigned",
    BulkAction.SNOOZE: "snoozed",
    BulkAction.RESOLVE: "resolved",
}


class FilterForm(forms.Form):
    """Filters of the inbox; invalid ones are ignored."""

    state = forms.ChoiceField(choices=InboxState.choices, required=False)
    severity = forms.ChoiceField(choices=AlertSeverity.choices, required=False)
    assignee = forms.ChoiceField(choices=InboxAssignee.choices, required=False)
    group = forms.ChoiceField(choices=InboxGrouping.choices, required=False)


@dataclass(frozen=True)
class Notice:
    """What an action did.

    Attributes:
        text: Sentence for the user.
        undo: Signed changes; empty if there is nothing to undo.
        is_error: Whether nothing was changed.
    """

    text: str
    undo: str = ""
    is_error: bool = False


@require_http_methods(["GET", "HEAD", "POST"])
def alert_inbox_page(request: HttpRequest) -> HttpResponse:
    """Show the inbox; a POST acts on alerts and shows it again."""
    require_permission(request, "alerts.view_alert")
    facilities = list(
        Facility.objects.restrict(request.user).order_by("name").values_list("name", flat=True)
    )
    filters = _filters(request, facilities)
    notice = _act(request, filters) if request.method == "POST" else None
    groups, is_cut = inbox_groups(request.user, filters)
    may_assign = request.user.has_perm("alerts.change_alert")
    response = render_page(
        request,
        "pages/alerts/inbox.html",
        "Alerts",
        filters=filters,
        groups=groups,
        is_cut=is_cut,
        shown=sum(group.count for group in groups),
        storms=[storm for storm in facility_storms(request.user) if not filters.facility],
        notice=notice,
        facilities=facilities,
        states=InboxState.choices,
        severities=[("", "Any"), *reversed(AlertSeverity.choices)],
        assignees=InboxAssignee.choices,
        groupings=InboxGrouping.choices,
        snoozes=SNOOZES,
        users=_assignable(request) if may_assign else [],
        may_act=request.user.has_perm("alerts.acknowledge_alert"),
        address=f"?{urlencode({name: value for name, value in asdict(filters).items() if value})}",
    )
    response.status_code = 400 if notice and notice.is_error else 200
    return response


def _filters(request: HttpRequest, facilities: list[str]) -> InboxFilters:
    form = FilterForm(request.GET)
    form.is_valid()
    chosen = {name: value for name, value in form.cleaned_data.items() if value}
    facility = request.GET.get("facility", "")
    return InboxFilters(**chosen, facility=facility if facility in facilities else "")


def _assignable(request: HttpRequest) -> list[User]:
    organization_id = request_user(request).organization_id
    users = User.objects.filter(organization_id=organization_id, is_active=True)
    return list(users.order_by("first_name", "last_name", "email")[:_MAX_USERS])


def _act(request: HttpRequest, filters: InboxFilters) -> Notice:
    require_permission(request, "alerts.acknowledge_alert")
    if token := request.POST.get("undo"):
        return _undo(request, token)
    name, _, single = request.POST.get("action", "").partition(":")
    if name not in set(BulkAction):
        return Notice("Choose what to do.", is_error=True)
    action = BulkAction(name)
    keys = [single] if single else _selected(request, filters)
    alerts = _visible(request, keys)
    if not alerts:
        return Notice("Select at least one alert first.", is_error=True)
    try:
        changes = alerts_act(
            alerts, request_user(request), action=action, **_values(request, action)
        )
    except ValidationError as error:
        return Notice(" ".join(error.messages), is_error=True)
    if not changes:
        return Notice(f"No alert had to be {_DONE[action]}.")
    text = f"{_alerts(len(changes))} {_DONE[action]}."
    if len(keys) >= MAX_BULK_ALERTS:
        text += f" {MAX_BULK_ALERTS} at a time: repeat it for the others."
    return Notice(text, _sign(request, action, changes))


def _selected(request: HttpRequest, filters: InboxFilters) -> list[Any]:
    selected: list[Any] = request.POST.getlist("alert")[:MAX_BULK_ALERTS]
    if groups := request.POST.getlist("group")[:MAX_BULK_ALERTS]:
        selected += alerts_of_groups(request.user, filters, groups, MAX_BULK_ALERTS)
    return list(dict.fromkeys(map(str, selected)))[:MAX_BULK_ALERTS]


def _visible(request: HttpRequest, keys: Iterable[str]) -> list[Alert]:
    ids = []
    for key in keys:
        try:
            ids.append(UUID(key))
        except ValueError:
            continue
    return list(Alert.objects.restrict(request.user, "acknowledge").filter(pk__in=ids))


def _values(request: HttpRequest, action: BulkAction) -> dict[str, Any]:
    """Return the user or time that the action needs.

    Raises:
        ValidationError: It is missing or invalid.
        PermissionDenied: The user may assign alerts to themselves only.
    """
    if action == BulkAction.SNOOZE:
        hours = request.POST.get("hours", "1")
        if hours not in dict(SNOOZES):
            msg = "Choose for how long."
            raise ValidationError(msg)
        return {"until": timezone.now() + timedelta(hours=int(hours))}
    if action != BulkAction.ASSIGN:
        return {}
    chosen = request.POST.get("assigned_to") or "me"
    user = request_user(request)
    if chosen == "me":
        return {"assigned_to": user}
    if not request.user.has_perm("alerts.change_alert"):
        raise PermissionDenied
    if chosen == "none":
        return {"assigned_to": None}
    found = {str(other.pk): other for other in _assignable(request)}
    if chosen not in found:
        msg = "User not found."
        raise ValidationError(msg)
    return {"assigned_to": found[chosen]}


def _sign(request: HttpRequest, action: BulkAction, changes: list[Change]) -> str:
    content = [str(request_user(request).pk), action, [astuple(change) for change in changes]]
    return signing.dumps(content, salt=_SALT, compress=True)


def _undo(request: HttpRequest, token: str) -> Notice:
    try:
        user_id, name, rows = signing.loads(token, salt=_SALT, max_age=MAX_UNDO_AGE)
    except signing.BadSignature:
        return Notice("It is too late to undo this. Open the alerts to change them.", is_error=True)
    user = request_user(request)
    if user_id != str(user.pk):
        raise PermissionDenied
    changes = [Change(*row) for row in rows]
    alerts = _visible(request, [change.alert_id for change in changes])
    restored = alerts_undo(changes, alerts, user, action=BulkAction(name))
    text = f"Undone: {_alerts(restored)} restored."
    if restored < len(changes):
        text += f" {_alerts(len(changes) - restored)} had changed since, and stayed as they were."
    return Notice(text)


def _alerts(count: int) -> str:
    return f"{count} alert{'' if count == 1 else 's'}"
