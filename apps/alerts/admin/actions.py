"""Actions on alerts in the admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from apps.accounts.models import User
from apps.alerts.choices.alerts import MAX_COMMENT_LENGTH, AlertAction, AlertState, allows
from apps.alerts.models import Alert
from apps.alerts.services.alerts import (
    alert_acknowledge,
    alert_assign,
    alert_comment,
    alert_resolve,
    alert_snooze,
)
from urfmp.common.admin import ObjectAction, request_user
from urfmp.common.admin.forms import ScopedChoiceField

_SNOOZE_HOURS = [("1", "1 hour"), ("4", "4 hours"), ("24", "1 day"), ("168", "1 week")]


class AssignForm(forms.Form):
    """The user who takes care of an alert."""

    assigned_to = ScopedChoiceField(
        queryset=User.objects.none(), required=False, empty_label="No user",
        label="Assigned to", widget=UnfoldAdminSelectWidget(),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the active users of the alert's organization."""
        super().__init__(*args, **kwargs)
        self.fields["assigned_to"].queryset = User.objects.filter(  # type: ignore[attr-defined]
            organization_id=self.initial.get("organization_id"), is_active=True
        ).order_by("first_name", "last_name", "email")


class CommentForm(forms.Form):
    """A comment on an alert."""

    text = forms.CharField(
        label="Comment",
        max_length=MAX_COMMENT_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )


class SnoozeForm(forms.Form):
    """How long an alert sends no messages."""

    hours = forms.ChoiceField(label="For", choices=_SNOOZE_HOURS, widget=UnfoldAdminSelectWidget())


def can_acknowledge(alert: Alert) -> bool:
    """Return whether acknowledging changes the alert."""
    return allows(AlertAction.ACKNOWLEDGE, alert.state)


def can_resolve(alert: Alert) -> bool:
    """Return whether resolving changes the alert."""
    return allows(AlertAction.RESOLVE, alert.state)


def _is_open(alert: Alert) -> bool:
    return alert.state != AlertState.RESOLVED


def _assign_to_self(request: Any, alert: Alert, _values: Any) -> Alert:
    user = request_user(request)
    return alert_assign(alert, user, assigned_to=user)


def _snooze(request: Any, alert: Alert, values: dict[str, Any]) -> Alert:
    until = timezone.now() + timedelta(hours=int(values["hours"]))
    return alert_snooze(alert, request_user(request), until=until)


ALERT_ACTIONS = (
    ObjectAction(
        name="acknowledge",
        label="Acknowledge",
        done="acknowledged",
        permission="acknowledge",
        icon="visibility",
        applies=can_acknowledge,
        run=lambda request, alert, _values: alert_acknowledge(alert, request_user(request)),
    ),
    ObjectAction(
        name="resolve",
        label="Resolve",
        done="resolved",
        permission="acknowledge",
        icon="check",
        applies=can_resolve,
        run=lambda request, alert, _values: alert_resolve(alert, request_user(request)),
    ),
    ObjectAction(
        name="assign-to-me",
        label="Assign to me",
        done="assigned to you",
        permission="acknowledge",
        icon="person_raised_hand",
        applies=_is_open,
        run=_assign_to_self,
    ),
    ObjectAction(
        name="assign",
        label="Assign",
        done="assigned",
        permission="change",
        icon="person_add",
        applies=_is_open,
        form_class=AssignForm,
        initial=lambda alert: {
            "organization_id": alert.organization_id,
            "assigned_to": alert.assigned_to_id,
        },
        run=lambda request, alert, values: alert_assign(
            alert, request_user(request), assigned_to=values["assigned_to"]
        ),
    ),
    ObjectAction(
        name="comment",
        label="Comment",
        done="commented",
        permission="acknowledge",
        icon="comment",
        form_class=CommentForm,
        run=lambda request, alert, values: alert_comment(
            alert, request_user(request), text=values["text"]
        ),
    ),
    ObjectAction(
        name="snooze",
        label="Snooze",
        done="snoozed",
        permission="acknowledge",
        icon="snooze",
        applies=_is_open,
        form_class=SnoozeForm,
        question="Send no messages for {object}?",
        run=_snooze,
    ),
)
