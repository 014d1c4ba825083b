"""Forms of users and invitations, limited to permissions the user may grant."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
)

from apps.accounts.choices import Role
from apps.accounts.models import User
from apps.accounts.permissions.grants import effective_permissions
from apps.accounts.permissions.roles import PERMISSIONS, ROLE_PERMISSIONS
from urfmp.common.admin import ScopedModelForm
from urfmp.common.time.zones import timezone_choices


def _sorted_choices(names: Any) -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(names)]


def user_timezone_field() -> forms.ChoiceField:
    """Return the field to choose a user's timezone."""
    return forms.ChoiceField(
        choices=lambda: [("", "Same as the organization"), *timezone_choices()],
        required=False,
        help_text="Pages and e-mails show times in this timezone.",
        widget=UnfoldAdminSelectWidget(),
    )


class GrantForm(ScopedModelForm):
    """Form with the role and permissions that the user may grant."""

    permissions = forms.MultipleChoiceField(
        choices=_sorted_choices(PERMISSIONS),
        required=False,
        label="Additional permissions",
        help_text="In addition to the role's permissions.",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Limit the roles to those that the current user may grant."""
        super().__init__(*args, **kwargs)
        if "role" in self.fields:
            own = effective_permissions(self.request.user)
            self.fields["role"] = forms.ChoiceField(
                choices=[
                    c
                    for c in Role.choices
                    if ROLE_PERMISSIONS[c[0]] <= own and self._may_grant_role(c)
                ],
                initial=Role.OPERATOR,
                widget=UnfoldAdminSelectWidget(),
            )

    def _may_grant_role(self, choice: tuple[str, str]) -> bool:
        user = self.request.user
        is_home = user.role == Role.SUPER_ADMIN and user.home_organization_id is None
        return choice[0] != Role.SUPER_ADMIN or is_home

    def clean_permissions(self) -> list[str]:
        """Reject permissions that neither the current user nor the edited one has."""
        requested = set(self.cleaned_data["permissions"])
        if (
            denied := requested
            - effective_permissions(self.request.user)
            - set(self.instance.permissions or ())
        ):
            msg = f"You do not have the permissions {', '.join(sorted(denied))}."
            raise ValidationError(msg)
        return sorted(requested)


class UserForm(GrantForm):
    """Form to change a user."""

    timezone = user_timezone_field()

    class Meta:
        model = User
        fields: tuple[str, ...] = (
            "email", "first_name", "last_name", "role", "permissions", "timezone", "is_active",
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Reject the deactivation of the current user."""
        values = super().clean()
        is_own = self.instance.pk == self.request.user.pk
        if is_own and not values.get("is_active", True):
            self.add_error("is_active", "You cannot deactivate yourself.")
        return values


class UserAddForm(UserForm):
    """Form to add a user.

    The new user sets a password with a link that is sent by e-mail.
    """

    class Meta(UserForm.Meta):
        fields = ("email", "first_name", "last_name", "role", "permissions", "timezone")
