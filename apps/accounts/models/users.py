"""Users."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower

from apps.accounts.choices import LinkPurpose, Role
from apps.accounts.models.second_factors import SecondFactor
from apps.accounts.permissions.platform_staff import PlatformStaffMixin
from apps.accounts.permissions.roles import ROLE_PERMISSIONS, permission_text, role_has_permission
from apps.accounts.querysets import (
    UserQuerySet,
)
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.db.names import (
    EmailIdentifierField,
    NameField,
    name_check,
    normalize_identifier,
)
from urfmp.common.tenancy.models import TenantModel
from urfmp.common.time.zones import validate_timezone


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Manager that looks users up by e-mail, ignoring case."""

    def get_by_natural_key(self, username: str | None) -> User:
        """Return the user with this e-mail address.

        Raises:
            User.DoesNotExist: The open organization has no user with this address.
        """
        user: User = self.get(email__iexact=normalize_identifier(username or ""))
        return user


class User(PlatformStaffMixin, AbstractBaseUser, TenantModel):
    """User of one organization.

    Each organization also has one system user, the author of changes that no user made. Users are
    deactivated, not deleted, because audit log entries refer to them.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    email = EmailIdentifierField("e-mail", max_length=255)
    password = models.CharField(max_length=255, db_column="password_hash")
    first_name = NameField(max_length=100, null=True, blank=True)
    last_name = NameField(max_length=100, null=True, blank=True)
    role = models.CharField(
        max_length=50, choices=Role, default=Role.OPERATOR, db_default=Role.OPERATOR
    )
    permissions = ArrayField(
        models.TextField(),
        default=list,
        db_default=models.Value([], ArrayField(models.TextField())),
        blank=True,
        help_text="Permissions in addition to the role's, such as robot.control.",
    )
    timezone = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        validators=[validate_timezone],
        help_text="IANA name; leave blank for the organization's timezone.",
    )
    is_system = models.BooleanField(default=False, db_default=False, editable=False)
    is_active = models.BooleanField(  # type: ignore[assignment]  # the spec lets it be NULL
        "active", null=True, default=True, db_default=True
    )
    email_verified = models.BooleanField(null=True, default=False, db_default=False)
    trusted_devices_reset_at = models.DateTimeField(
        null=True, blank=True, editable=False, db_column="devices_known_since"
    )
    last_login = models.DateTimeField(
        "last login", null=True, blank=True, editable=False, db_column="last_login_at"
    )
    created_at = created_at()
    updated_at = updated_at()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[Any] = UserManager()

    class Meta:
        db_table = "users"
        ordering = ("email",)
        constraints = (
            models.UniqueConstraint(fields=("email",), name="users_email_key"),
            models.UniqueConstraint(Lower("email"), name="users_email_lower_key"),
            models.UniqueConstraint(
                fields=("organization", "id"), name="users_organization_id_key"
            ),
            models.UniqueConstraint(
                fields=("organization",),
                condition=models.Q(is_system=True),
                name="users_one_system_user",
            ),
            choices_check("users", "role", Role),
            name_check("users", "first_name"),
            name_check("users", "last_name"),
        )
        indexes = (
            models.Index(fields=("email",), name="idx_users_email"),
            models.Index(fields=("organization",), name="idx_users_organization"),
            models.Index(fields=("role",), name="idx_users_role"),
        )

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    robot_id = None
    # Set by the authentication backend when it verifies the password: too short to be used alone.
    password_needs_second_factor = False

    @property
    def is_staff(self) -> bool:
        """Return whether the user may open the admin, as every active user.

        The role decides which pages the user sees there.
        """
        return bool(self.is_active)

    @property
    def is_superuser(self) -> bool:
        """Return False: even super admins have permissions only by their role."""
        return False

    @property
    def effective_timezone(self) -> str:
        """IANA name of the user's timezone, by default the organization's."""
        return self.timezone or self.organization.timezone

    @property
    def has_second_factor(self) -> bool:
        """Return whether a confirmed second factor exists.

        Runs one query; requires the tenant transaction.
        """
        rows = SecondFactor.objects.filter(user_id=self.pk, confirmed_at__isnull=False)
        return bool(rows.exists())

    @property
    def password_link_purpose(self) -> str:
        """Return the purpose of a password link for this user.

        A user who has not set a password yet is sent an invitation, not a reset.
        """
        has_password = self.has_usable_password()
        return LinkPurpose.PASSWORD_RESET if has_password else LinkPurpose.INVITATION

    def get_full_name(self) -> str:
        """Return first and last name; empty if neither is set."""
        return " ".join(part for part in (self.first_name, self.last_name) if part)

    def get_short_name(self) -> str:
        """Return the name to use in a greeting."""
        return str(self.first_name or self.email)

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Return whether the user has Django's permission `app.action_model`."""
        return bool(self.is_active) and role_has_permission(self.role, self.permissions or (), perm)

    def denial_text(self, perm: str) -> str:
        """Return which permission the user lacks for Django's `app.action_model`."""
        return f"You need the permission {permission_text(perm)}."

    def has_perms(self, perms: list[str], obj: Any = None) -> bool:
        """Return whether the user has all of these permissions."""
        return all(self.has_perm(perm) for perm in perms)

    def has_module_perms(self, app_label: str) -> bool:
        """Return whether the user has any permission; each model checks its own."""
        return bool(self.is_active) and bool(ROLE_PERMISSIONS[self.role] or self.permissions)
