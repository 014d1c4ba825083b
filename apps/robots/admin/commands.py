"""Commands in the admin: their states, and what users decide about them."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextareaWidget

from apps.robots.admin.stop_links import with_stop_column
from apps.robots.choices import WAITING_STATUSES, CommandStatus, CommandType
from apps.robots.models import RobotCommand
from apps.robots.services.commands.approvals import command_approve, command_reject
from apps.robots.services.commands.decisions import MAX_NOTE_CHARS, command_cancel, command_settle
from urfmp.common.admin import (
    AutocompleteFilter,
    ObjectAction,
    ReadOnlyAdmin,
    RecentRowsSearchMixin,
    TimeRangeFilter,
    request_user,
)
from urfmp.common.rendering.commands import command_state_html
from urfmp.common.rendering.html import badge, datetime_html, preformatted


class SettleForm(forms.Form):
    """What the user saw at the robot."""

    outcome = forms.ChoiceField(
        choices=[
            (CommandStatus.COMPLETED, CommandStatus.COMPLETED.label),
            (CommandStatus.FAILED, CommandStatus.FAILED.label),
        ],
        help_text="Completed if the robot executed the command to its end, else failed.",
        widget=UnfoldAdminRadioSelectWidget,
    )
    note = forms.CharField(
        max_length=MAX_NOTE_CHARS,
        help_text="What you saw at the robot.",
        widget=UnfoldAdminTextareaWidget(),
    )


class ApproveForm(forms.Form):
    """Confirmation of an approval, which has no fields."""


class CancelCommandForm(forms.Form):
    """Reason for cancelling or rejecting a command."""

    reason = forms.CharField(
        required=False, max_length=MAX_NOTE_CHARS, widget=UnfoldAdminTextareaWidget()
    )


def _can_cancel(command: RobotCommand) -> bool:
    is_stop = command.type == CommandType.EMERGENCY_STOP
    return command.status in WAITING_STATUSES and not is_stop


def _can_approve(command: RobotCommand) -> bool:
    return command.status == CommandStatus.PENDING_APPROVAL


def _can_settle(command: RobotCommand) -> bool:
    return command.status == CommandStatus.UNKNOWN


@admin.register(RobotCommand)
class RobotCommandAdmin(RecentRowsSearchMixin, ReadOnlyAdmin[RobotCommand]):
    audit_resource = "command"
    empty_text = "Commands to robots appear here, with their state and result."
    list_display = (
        "type_label",
        "robot",
        "state",
        "priority_badge",
        "author",
        "created",
        "completed",
    )
    list_filter = (
        "type", "status", "priority", ("robot", AutocompleteFilter),
        ("created_at", TimeRangeFilter),
    )  # fmt: skip
    search_fields = ("robot__name",)
    search_help_text = "Search by robot name or serial number"
    list_select_related = ("robot", "user", "api_key")
    list_before_template = "admin/robots/as_of_commands.html"
    change_form_outer_before_template = "admin/robots/robotcommand/state.html"
    fields = (
        "type_label", "robot", "priority_badge", "author", "payload_json", "result_json",
    )  # fmt: skip
    readonly_fields = fields
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="settle",
            label="Settle",
            done="settled",
            permission="add",
            icon="fact_check",
            question="What was the outcome of {object}?",
            applies=_can_settle,
            form_class=SettleForm,
            run=lambda request, command, values: command_settle(
                command, request_user(request), outcome=values["outcome"], note=values["note"]
            ),
        ),
        ObjectAction(
            name="approve",
            label="Approve",
            done="approved",
            permission="add",
            icon="approval",
            question="Approve {object}?",
            applies=_can_approve,
            form_class=ApproveForm,
            run=lambda request, command, _values: command_approve(command, request_user(request)),
        ),
        ObjectAction(
            name="reject",
            label="Reject",
            done="rejected",
            permission="add",
            icon="block",
            question="Reject {object}?",
            keep_label="Go back",
            applies=_can_approve,
            form_class=CancelCommandForm,
            run=lambda request, command, values: command_reject(
                command, request_user(request), values.get("reason", "")
            ),
            is_danger=True,
        ),
        ObjectAction(
            name="cancel",
            label="Cancel",
            done="cancelled",
            permission="add",
            icon="close",
            question="Cancel the command {object}?",
            confirm_label="Cancel this command",
            keep_label="Keep command",
            applies=_can_cancel,
            form_class=CancelCommandForm,
            run=lambda request, command, values: command_cancel(
                command, request_user(request), values.get("reason", "")
            ),
            is_danger=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related(
            "robot", "user", "api_key", "approved_by", "cancelled_by", "settled_by"
        )

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        return with_stop_column(request, super().get_list_display(request))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # A second user approves or rejects a command, its author may cancel it.
        response = super().render_change_form(request, context, *args, **kwargs)
        command = kwargs.get("obj")
        if command is not None and command.user_id == request.user.pk:
            context["object_actions"] = [
                item
                for item in context["object_actions"]
                if item["action"].name not in {"approve", "reject"}
            ]
        return response

    @admin.display(description="Command", ordering="type")
    def type_label(self, command: RobotCommand) -> str:
        return command.get_type_display()

    @admin.display(description="State", ordering="status")
    def state(self, command: RobotCommand) -> SafeString:
        return command_state_html(command)

    @admin.display(description="Priority", ordering="priority")
    def priority_badge(self, command: RobotCommand) -> SafeString:
        return badge("priority", command.priority, command.get_priority_display())

    @admin.display(description="Created by", ordering="user")
    def author(self, command: RobotCommand) -> str:
        return str(command.author)

    @admin.display(description="Payload")
    def payload_json(self, command: RobotCommand) -> SafeString:
        return preformatted(command.payload)

    @admin.display(description="Result")
    def result_json(self, command: RobotCommand) -> SafeString:
        return preformatted(command.result)

    @admin.display(description="Created", ordering="created_at")
    def created(self, command: RobotCommand) -> SafeString | str:
        return datetime_html(command.created_at)

    @admin.display(description="Ended", ordering="completed_at")
    def completed(self, command: RobotCommand) -> SafeString | str:
        return datetime_html(command.completed_at)
