"""Sessions in the admin: read and revoke."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.accounts.models import UserSession
from apps.accounts.permissions.grants import check_can_manage
from apps.accounts.services.sessions import session_revoke
from urfmp.common.admin import AutocompleteFilter, ObjectAction, ReadOnlyAdmin, request_user
from urfmp.common.rendering.formats import relative_time
from urfmp.common.rendering.html import datetime_html, relative_time_html


def _end_session(request: HttpRequest, session: UserSession, _values: Any) -> None:
    check_can_manage(request_user(request), session.user)
    session_revoke(session)


def _activity_text(session: UserSession) -> str:
    device = f"{session.device}, " if session.device else ""
    return f"{device}active {relative_time(session.last_activity_at)}"


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyAdmin[UserSession]):
    audit_resource = "session"
    empty_text = "Browsers and clients in which users are signed in appear here."
    list_display = (
        "session_user",
        "started",
        "active",
        "ip_address",
        "browser",
        "ends",
        "end_button",
    )
    list_filter = (("user", AutocompleteFilter),)
    search_fields = ("user__email", "ip_address")
    search_help_text = "Search by e-mail or IP address"
    list_select_related = ("user",)
    fields = ("session_user", "started", "active", "ends", "ip_address", "user_agent")
    readonly_fields = fields
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="end",
            label="End",
            done="ended",
            question="End the session of {object.user}?",
            permission="end",
            icon="logout",
            run=_end_session,
            is_danger=True,
            detail=_activity_text,
            needs_step_up=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: Any = super().get_queryset(request)
        roots: QuerySet[Any] = rows.roots().select_related("user")
        return roots

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        columns = tuple(super().get_list_display(request))
        return columns if self.allowed_actions(request) else columns[:-1]

    @admin.display(description="User", ordering="user__email")
    def session_user(self, session: UserSession) -> str:
        return f"{session.user}"

    @admin.display(description="Started", ordering="created_at")
    def started(self, session: UserSession) -> SafeString | str:
        return datetime_html(session.created_at)

    @admin.display(description="Last active", ordering="last_activity_at")
    def active(self, session: UserSession) -> SafeString | str:
        return relative_time_html(session.last_activity_at)

    @admin.display(description="Expires", ordering="expires_at")
    def ends(self, session: UserSession) -> SafeString | str:
        return relative_time_html(session.expires_at)

    @admin.display(description="Browser")
    def browser(self, session: UserSession) -> str:
        return session.device

    @admin.display(description="Action")
    def end_button(self, session: UserSession) -> SafeString:
        return self.action_button(session, "end")
