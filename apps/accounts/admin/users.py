from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.accounts.admin.forms import UserAddForm, UserForm
from apps.accounts.choices import LinkPurpose, Role
from apps.accounts.models import SecondFactor, User
from apps.accounts.permissions.grants import check_can_grant, check_can_manage
from apps.accounts.services.email_enumeration import changed_email, enumeration_guard
from apps.accounts.services.one_time_links import link_request, password_link_request
from apps.accounts.services.second_factors import second_factor_reset
from apps.accounts.services.users import user_create, user_update
from urfmp.common.admin import ObjectAction, OrganizationScopedAdmin, request_user
from urfmp.common.rendering.formats import NOTHING
from urfmp.common.rendering.html import badge, datetime_html, relative_time_html


def _can_log_in(user: User) -> bool:
    return bool(user.is_active)


def _has_second_factor(user: User) -> bool:
    return user.has_second_factor


def _remove_second_factor(request: HttpRequest, user: User, _values: Any) -> None:
    check_can_manage(request_user(request), user)
    second_factor_reset(user)


def _send_password_link(request: HttpRequest, user: User, _values: Any) -> None:
    check_can_manage(request_user(request), user)
    password_link_request(user)


@admin.register(User)
class UserAdmin(OrganizationScopedAdmin[User]):
    audit_resource = "user"
    empty_text = "The users of your organization appear here."
    needs_step_up = True
    form = UserForm
    add_form = UserAddForm
    list_display = ("email", "name", "role_badge", "is_active", "second_factor", "last_seen")
    list_filter = ("role", "is_active")
    search_fields = ("email", "first_name", "last_name")
    search_help_text = "Search by name or e-mail"
    ordering = ("email",)
    readonly_fields = ("last_seen", "created")
    fieldsets = (
        (
            None,
            {"fields": (("first_name", "last_name"), "email", ("role", "is_active"), "timezone")},
        ),
        ("Additional permissions", {"fields": ("permissions",), "classes": ("collapse",)}),
        ("Activity", {"fields": (("last_seen", "created"),)}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", ("first_name", "last_name"), "role", "timezone")}),
        ("Additional permissions", {"fields": ("permissions",), "classes": ("collapse",)}),
    )

    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="password-link",
            label="Send password link",
            done="was sent a password link",
            question="Send {object} a password link?",
            permission="change",
            icon="mail",
            applies=_can_log_in,
            run=_send_password_link,
            needs_step_up=True,
        ),
        ObjectAction(
            name="second-factor",
            label="Remove second factor",
            done="no longer has a second factor; a password under 15 characters must now be reset",
            question="Remove the second factor of {object}?",
            permission="change",
            icon="phonelink_erase",
            applies=_has_second_factor,
            run=_remove_second_factor,
            is_danger=True,
            needs_step_up=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        confirmed = SecondFactor.objects.filter(user=OuterRef("pk"), confirmed_at__isnull=False)
        rows = super().get_queryset(request).filter(is_system=False)
        users: QuerySet[Any] = rows.annotate(uses_second_factor=Exists(confirmed))
        return users

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("last_seen", "created")

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        kwargs["form"] = self.form if change else self.add_form
        return super().get_form(request, obj, change=change, **kwargs)

    @admin.display(description="Name", ordering="last_name")
    def name(self, user: User) -> str:
        return user.get_full_name() or NOTHING

    @admin.display(description="Role", ordering="role")
    def role_badge(self, user: User) -> SafeString:
        return badge("role", user.role, Role(user.role).label)

    @admin.display(description="Second factor", ordering="uses_second_factor", boolean=True)
    def second_factor(self, user: Any) -> bool:
        return bool(user.uses_second_factor)

    @admin.display(description="Last login", ordering="last_login")
    def last_seen(self, user: User) -> SafeString | str:
        return relative_time_html(user.last_login)

    @admin.display(description="Added", ordering="created_at")
    def created(self, user: User) -> SafeString | str:
        return datetime_html(user.created_at)

    def perform_create(self, request: HttpRequest, form: Any) -> User:
        check_can_grant(request_user(request), form.service_kwargs())
        organization_id, fields = request_user(request).organization_id, form.service_kwargs()
        with enumeration_guard(organization_id, fields["email"]):
            user = user_create(organization_id=organization_id, **fields)
        if settings.MAIL_IS_CONFIGURED:
            link_request(user, LinkPurpose.INVITATION)
            text = f"Password link sent to {user.email}."
        else:
            text = (
                "E-mail is not configured. The operator of this installation can create a password"
                f" link with: manage.py password_link {user.email}"
            )
        self.message_user(request, text, messages.INFO)
        return user

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> User:
        # Changing the address of a user with more permissions would allow an account takeover.
        check_can_manage(request_user(request), obj)
        check_can_grant(request_user(request), form.service_kwargs())
        with enumeration_guard(obj.organization_id, changed_email(obj, form.service_kwargs())):
            return user_update(obj, **form.service_kwargs())
