"""Commands in the admin, read-only."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from apps.robots.models import RobotCommand
from urfmp.common.admin import (
    AutocompleteFilter,
    ReadOnlyAdmin,
    RecentRowsSearchMixin,
    TimeRangeFilter,
)
from urfmp.common.rendering.html import badge, datetime_html, preformatted


@admin.register(RobotCommand)
class RobotCommandAdmin(RecentRowsSearchMixin, ReadOnlyAdmin[RobotCommand]):
    audit_resource = "command"
    empty_text = "Commands to robots appear here, with their state and result."
    list_display = (
        "type_label",
        "robot",
        "state",
        "priority_badge",
        "user",
        "created",
        "completed",
    )
    list_filter = (
        "type", "status", "priority", ("robot", AutocompleteFilter),
        ("created_at", TimeRangeFilter),
    )  # fmt: skip
    search_fields = ("robot__name",)
    search_help_text = "Search by robot name or serial number"
    list_select_related = ("robot", "user")
    fields = (
        "type_label", "robot", "state", "priority_badge", "user", "payload_json", "created",
        "scheduled", "executed", "completed", "result_json", "error_message",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="Command", ordering="type")
    def type_label(self, command: RobotCommand) -> str:
        return command.get_type_display()

    @admin.display(description="State", ordering="status")
    def state(self, command: RobotCommand) -> SafeString:
        return badge("command", command.status, command.get_status_display())

    @admin.display(description="Priority", ordering="priority")
    def priority_badge(self, command: RobotCommand) -> SafeString:
        return badge("priority", command.priority, command.get_priority_display())

    @admin.display(description="Payload")
    def payload_json(self, command: RobotCommand) -> SafeString:
        return preformatted(command.payload)

    @admin.display(description="Result")
    def result_json(self, command: RobotCommand) -> SafeString:
        return preformatted(command.result)

    @admin.display(description="Created", ordering="created_at")
    def created(self, command: RobotCommand) -> SafeString | str:
        return datetime_html(command.created_at)

    @admin.display(description="Scheduled for")
    def scheduled(self, command: RobotCommand) -> SafeString | str:
        return datetime_html(command.scheduled_at)

    @admin.display(description="Executed")
    def executed(self, command: RobotCommand) -> SafeString | str:
        return datetime_html(command.executed_at)

    @admin.display(description="Ended", ordering="completed_at")
    def completed(self, command: RobotCommand) -> SafeString | str:
        return datetime_html(command.completed_at)
