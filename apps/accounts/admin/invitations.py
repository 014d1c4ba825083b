from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminEmailInputWidget

from apps.accounts.admin.forms import GrantForm
from apps.accounts.choices import Role
from apps.accounts.models import Invitation
from apps.accounts.permissions.grants import check_can_grant, check_can_manage
from apps.accounts.services.invitations import (
    grants_from_fields,
    invitation_create,
    invitation_resend,
    invitation_revoke,
)
from urfmp.common.admin import ObjectAction, OrganizationScopedAdmin, request_user
from urfmp.common.rendering.formats import NOTHING
from urfmp.common.rendering.html import badge, datetime_html, relative_time_html


class InvitationForm(GrantForm):
    """Form to invite a user."""

    email = forms.EmailField(label="E-mail", max_length=255, widget=UnfoldAdminEmailInputWidget())

    class Meta:
        model = Invitation
        fields = ("email", "role", "permissions")


def _resend(request: HttpRequest, invitation: Invitation, _values: Any) -> None:
    check_can_manage(request_user(request), invitation)
    invitation_resend(invitation, invited_by=request_user(request))


def _revoke(_request: HttpRequest, invitation: Invitation, _values: Any) -> None:
    invitation_revoke(invitation)


@admin.register(Invitation)
class InvitationAdmin(OrganizationScopedAdmin[Invitation]):
    audit_resource = "invitation"
    empty_text = "Invitations that are not accepted yet appear here."
    needs_step_up = True
    form = InvitationForm
    list_display = ("email", "role_badge", "state", "inviter", "sent")
    list_filter = ("role",)
    search_fields = ("email",)
    search_help_text = "Search by e-mail"
    add_fieldsets = (
        (None, {"fields": ("email", "role")}),
        ("Additional permissions", {"fields": ("permissions",), "classes": ("collapse",)}),
    )
    fieldsets = (
        (None, {"fields": ("email", ("role_badge", "state"), ("inviter", "sent"))}),
        ("Additional permissions", {"fields": ("permissions",)}),
    )
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="resend",
            label="Resend",
            done="was sent the invitation again",
            question="Resend the invitation of {object}?",
            permission="change",
            icon="forward_to_inbox",
            run=_resend,
            needs_step_up=True,
        ),
        ObjectAction(
            name="revoke",
            label="Revoke",
            done="is no longer invited",
            question="Revoke the invitation of {object}?",
            permission="delete",
            icon="cancel_schedule_send",
            run=_revoke,
            is_danger=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("invited_by", "invited_by_key")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return ("email", "role_badge", "state", "inviter", "sent", "permissions")

    def object_action_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Redirect to the list after a revocation, which deletes the row."""
        response = super().object_action_view(request, object_id, name)
        is_deleted = (
            response.status_code == HTTPStatus.FOUND
            and self.get_object(request, unquote(object_id)) is None
        )
        if is_deleted:
            return HttpResponseRedirect(reverse("admin:accounts_invitation_changelist"))
        return response

    @admin.display(description="Role", ordering="role")
    def role_badge(self, invitation: Invitation) -> SafeString:
        return badge("role", invitation.role, Role(invitation.role).label)

    @admin.display(description="Valid until", ordering="expires_at")
    def state(self, invitation: Invitation) -> SafeString | str:
        return "expired" if invitation.is_expired else relative_time_html(invitation.expires_at)

    @admin.display(description="Invited by")
    def inviter(self, invitation: Invitation) -> str:
        if invitation.invited_by_id:
            return str(invitation.invited_by)
        return f"API key {invitation.invited_by_key or NOTHING}"

    @admin.display(description="Sent", ordering="created_at")
    def sent(self, invitation: Invitation) -> SafeString | str:
        return datetime_html(invitation.created_at)

    def perform_create(self, request: HttpRequest, form: Any) -> Invitation:
        user = request_user(request)
        check_can_grant(user, grants_from_fields(form.service_kwargs()))
        return invitation_create(
            organization_id=user.organization_id, invited_by=user, **form.service_kwargs()
        )
