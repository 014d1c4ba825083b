"""Actions on a robot's stage and maintenance lock, and the purge."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.robots.choices import Lifecycle, RobotAction, allows, next_stages
from apps.robots.models import Robot
from apps.robots.services.lifecycle import robot_change_lifecycle
from apps.robots.services.maintenance_lock import maintenance_lock_release, maintenance_lock_set
from apps.robots.services.purge import robot_purge
from urfmp.common.admin import ObjectAction, request_user


class PurgeForm(forms.Form):
    """Confirmation of a purge by the robot's name."""

    name = forms.CharField(
        max_length=255,
        label="Name of the robot",
        help_text="Type the name to confirm.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )


def _stage_action(stage: Lifecycle, name: str, label: str, done: str, icon: str) -> ObjectAction:
    return ObjectAction(
        name=name,
        label=label,
        done=done,
        permission="change",
        icon=icon,
        applies=lambda robot: stage in next_stages(robot.lifecycle),
        run=lambda _request, robot, _values: robot_change_lifecycle(robot, lifecycle=stage),
    )


def _purge(request: HttpRequest, robot: Robot, values: dict[str, Any]) -> HttpResponse:
    robot_purge(robot, name=values["name"])
    text = f"{robot} is being purged. This can take minutes."
    messages.success(request, text)
    return HttpResponseRedirect(reverse("admin:robots_robot_changelist"))


LIFECYCLE_ACTIONS = (
    _stage_action(
        Lifecycle.PLANNED, "plan", "Return to planning", "returned to planning", "event_note"
    ),
    _stage_action(
        Lifecycle.COMMISSIONING, "commission", "Start commissioning", "in commissioning", "build"
    ),
    _stage_action(
        Lifecycle.ACTIVE, "put-into-operation", "Put into operation", "put into operation",
        "play_circle",
    ),
    _stage_action(
        Lifecycle.MAINTENANCE, "move-to-maintenance", "Move to maintenance",
        "moved to maintenance", "handyman",
    ),
)  # fmt: skip

MAINTENANCE_LOCK_ACTIONS = (
    ObjectAction(
        name="lock-for-maintenance",
        label="Lock for maintenance",
        done="locked for maintenance",
        permission="lock",
        icon="lock",
        applies=lambda robot: robot.is_active and robot.maintenance_locked_at is None,
        run=lambda request, robot, _values: maintenance_lock_set(robot, request_user(request)),
        consequences="Commands that wait for it are cancelled. Only stop requests reach it until"
        " the lock is released. The lock is not a safety device: secure the robot before you work"
        " on it.",
        keep_label="Do not lock",
        is_danger=True,
    ),
    ObjectAction(
        name="release-from-maintenance",
        label="Release maintenance lock",
        done="released from maintenance",
        permission="lock",
        icon="lock_open",
        applies=lambda robot: robot.maintenance_locked_at is not None,
        run=lambda request, robot, _values: maintenance_lock_release(robot, request_user(request)),
    ),
)

PURGE_ACTION = ObjectAction(
    name="purge",
    label="Purge",
    done="is being purged",
    permission="purge",
    icon="delete_forever",
    applies=lambda robot: allows(RobotAction.PURGE, robot.service_state),
    run=_purge,
    form_class=PurgeForm,
    question="Purge {object} and all its data?",
    consequences="Its telemetry, status history, commands, tasks, alerts, imports and API keys are"
    " deleted and cannot be restored. The audit log stays.",
    keep_label="Keep the robot",
    is_danger=True,
    needs_step_up=True,
)
