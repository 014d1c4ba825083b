"""Forms of people and of invitations: nobody hands out more rights than they hold."""

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
from apps.accounts.permissions.grants import held_permissions
from apps.accounts.permissions.roles import PERMISSIONS, ROLE_PERMISSIONS
from urfmp.common.admin import ScopedModelForm


def _sorted_choices(names: Any) -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(names)]


class GrantForm(ScopedModelForm):
    """A role and further rights, of those that the giver holds."""

    permissions = forms.MultipleChoiceField(
        choices=_sorted_choices(PERMISSIONS),
        required=False,
        label="Further rights",
        help_text="Beyond those of the role.",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the roles that the giver may give."""
        super().__init__(*args, **kwargs)
        if "role" in self.fields:
            held = held_permissions(self.request.user)
            self.fields["role"] = forms.ChoiceField(
                choices=[
                    c for c in Role.choices if ROLE_PERMISSIONS[c[0]] <= held and self._may(c)
                ],
                initial=Role.OPERATOR,
                widget=UnfoldAdminSelectWidget(),
            )

    def _may(self, choice: tuple[str, str]) -> bool:
        user = self.request.user
        is_home = user.role == Role.SUPER_ADMIN and user.home_organization_id is None
        return choice[0] != Role.SUPER_ADMIN or is_home

    def clean_permissions(self) -> list[str]:
        """Refuse what the giver does not hold."""
        chosen = set(self.cleaned_data["permissions"])
        if (
            beyond := chosen
            - held_permissions(self.request.user)
            - set(self.instance.permissions or ())
        ):
            msg = f"You do not hold {', '.join(sorted(beyond))} yourself."
            raise ValidationError(msg)
        return sorted(chosen)


class UserForm(GrantForm):
    """A person. Nobody hands out more rights than they hold."""

    class Meta:
        model = User
        fields: tuple[str, ...] = (
            "email", "first_name", "last_name", "role", "permissions", "is_active",
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Keep people from locking themselves out."""
        values = super().clean()
        is_own = self.instance.pk == self.request.user.pk
        if is_own and not values.get("is_active", True):
            self.add_error("is_active", "You cannot deactivate yourself.")
        return values


class UserAddForm(UserForm):
    """A new person. They choose their password themselves, by a link that they are sent."""

    class Meta(UserForm.Meta):
        fields = ("email", "first_name", "last_name", "role", "permissions")
