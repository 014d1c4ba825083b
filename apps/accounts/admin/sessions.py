"""Sessions of users in the admin: read and ended."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.accounts.models import UserSession
from apps.accounts.permissions.grants import check_authority
from apps.accounts.services.sessions import session_end
from urfmp.common.admin import (
    AutocompleteFilter,
    ObjectAction,
    ReadOnlyAdmin,
    viewer,
)
from urfmp.common.rendering.html import NOTHING, ago, moment


def _end_session(request: HttpRequest, session: UserSession, _values: Any) -> None:
    check_authority(viewer(request), session.user)
    session_end(session)


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyAdmin[UserSession]):
    audit_resource = "session"
    list_display = ("person", "started", "active", "ip_address", "browser", "ends", "end_button")
    list_filter = (("user", AutocompleteFilter),)
    search_fields = ("user__email", "ip_address")
    list_select_related = ("user",)
    fields = ("person", "started", "active", "ends", "ip_address", "user_agent")
    readonly_fields = fields
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="end",
            label="End",
            done="ended",
            permission="end",
            icon="logout",
            run=_end_session,
            is_danger=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: Any = super().get_queryset(request)
        sign_ins: QuerySet[Any] = rows.sign_ins().select_related("user")
        return sign_ins

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        columns = tuple(super().get_list_display(request))
        return columns if self.allowed_actions(request) else columns[:-1]

    @admin.display(description="Person", ordering="user__email")
    def person(self, session: UserSession) -> str:
        return f"{session.user}"

    @admin.display(description="Since", ordering="created_at")
    def started(self, session: UserSession) -> SafeString | str:
        return moment(session.created_at)

    @admin.display(description="Active", ordering="last_activity_at")
    def active(self, session: UserSession) -> SafeString | str:
        return ago(session.last_activity_at)

    @admin.display(description="Ends", ordering="expires_at")
    def ends(self, session: UserSession) -> SafeString | str:
        return ago(session.expires_at)

    @admin.display(description="Browser")
    def browser(self, session: UserSession) -> str:
        return (session.user_agent or NOTHING)[:60]

    @admin.display(description="")
    def end_button(self, session: UserSession) -> SafeString:
        return self.action_button(session, "end")
