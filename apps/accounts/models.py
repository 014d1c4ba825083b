"""People, where they are signed in, and the keys of machines."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from apps.accounts.choices import LinkPurpose, Role
from apps.accounts.device_names import device_name
from apps.accounts.line_mapping import validate_line_mapping
from apps.accounts.querysets import (
    ApiKeyQuerySet,
    IdempotencyRecordQuerySet,
    InvitationQuerySet,
    OneTimeLinkQuerySet,
    SecondFactorQuerySet,
    UserQuerySet,
    UserSessionQuerySet,
)
from apps.accounts.roaming import Roaming
from apps.accounts.roles import ROLE_PERMISSIONS, role_grants
from urfmp.common.fields import (
    choices_check,
    created_at,
    moment,
    moment_check,
    organization_key,
    plain_key,
    updated_at,
    uuid_primary_key,
    validate_one_line,
)
from urfmp.common.querysets import TenantModel


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Look users up by e-mail without regard to case."""

    def get_by_natural_key(self, username: str | None) -> User:
        """Return the user with this e-mail address."""
        user: User = self.get(email__iexact=username)
        return user


class User(Roaming, AbstractBaseUser, TenantModel):
    """A person of one organization, or its system user, the author of what no person did.

    Never deleted while the record names them: people are deactivated.
    """

    id = uuid_primary_key()
    organization = organization_key()
    email = models.EmailField("e-mail", max_length=255)
    password = models.CharField(max_length=255, db_column="password_hash")
    first_name = models.CharField(  # noqa: DJ001 - spec
        max_length=100, null=True, blank=True, validators=[validate_one_line]
    )
    last_name = models.CharField(  # noqa: DJ001 - spec
        max_length=100, null=True, blank=True, validators=[validate_one_line]
    )
    role = models.CharField(
        max_length=50, choices=Role, default=Role.OPERATOR, db_default=Role.OPERATOR
    )
    permissions = ArrayField(
        models.TextField(),
        default=list,
        db_default=models.Value([], ArrayField(models.TextField())),
        blank=True,
        help_text="Grants beyond the role, as in robot.control.",
    )
    is_system = models.BooleanField(default=False, db_default=False, editable=False)
    is_active = models.BooleanField(  # type: ignore[assignment]  # the spec lets it be NULL
        "active", null=True, default=True, db_default=True
    )
    email_verified = models.BooleanField(null=True, default=False, db_default=False)
    last_login = models.DateTimeField(
        "last sign-in", null=True, blank=True, editable=False, db_column="last_login_at"
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
                fields=("organization",),
                condition=models.Q(is_system=True),
                name="users_one_system_user",
            ),
            choices_check("users", "role", Role),
        )
        indexes = (
            models.Index(fields=("email",), name="idx_users_email"),
            models.Index(fields=("organization",), name="idx_users_organization"),
            models.Index(fields=("role",), name="idx_users_role"),
        )

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    robot_id = None
    # Whether the password that was shown just now is too short to be all there is.
    leans_on_second_factor = False

    @property
    def is_staff(self) -> bool:
        """Everybody who may sign in works in the admin; what they see there depends on the role."""
        return bool(self.is_active)

    @property
    def is_superuser(self) -> bool:
        """Nobody passes unchecked: the role decides for super admins as well."""
        return False

    @property
    def has_second_factor(self) -> bool:
        """Whether the person has one in use. One query, inside the tenant transaction."""
        rows = SecondFactor.objects.filter(user_id=self.pk, confirmed_at__isnull=False)
        return bool(rows.exists())

    @property
    def password_link_purpose(self) -> str:
        """What a link to choose a password with is for: whoever has none yet was invited."""
        has_password = self.has_usable_password()
        return LinkPurpose.PASSWORD_RESET if has_password else LinkPurpose.INVITATION

    def get_full_name(self) -> str:
        """Return first and last name, as far as they are known."""
        return " ".join(part for part in (self.first_name, self.last_name) if part)

    def get_short_name(self) -> str:
        """Return what the person is called in a greeting."""
        return self.first_name or self.email

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Tell whether the role, or a grant beyond it, holds Django's `app.action_model`."""
        return bool(self.is_active) and role_grants(self.role, self.permissions or (), perm)

    def has_perms(self, perms: list[str], obj: Any = None) -> bool:
        """Tell whether all of several permissions are held."""
        return all(self.has_perm(perm) for perm in perms)

    def has_module_perms(self, app_label: str) -> bool:
        """Show an app in the admin to everybody with any right; its models decide the rest."""
        return bool(self.is_active) and bool(ROLE_PERMISSIONS[self.role] or self.permissions)


class UserSession(TenantModel):
    """One sign-in of one person on one device. Tokens are stored as SHA-256 digests only.

    In a browser it is one row, which ends at `expires_at`, after an hour of silence, or when it is
    deleted. Through the API it is a family: a root, which stands for the sign-in, and one row more
    for each time its tokens were renewed; deleting the root ends all of them. Rows are kept for 30
    days after `expires_at`.
    """

    id = uuid_primary_key()
    organization = organization_key()
    user = plain_key("accounts.User", on_delete=models.DO_NOTHING)
    session_token = models.CharField(max_length=255)
    refresh_token = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - spec
    data = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    family = plain_key("accounts.UserSession", on_delete=models.DO_NOTHING, null=True, blank=True)
    parent_id = models.UUIDField(null=True, blank=True, editable=False)
    access_expires_at = models.DateTimeField(null=True, blank=True)
    spent_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    created_at = created_at()
    last_activity_at = updated_at()
    ip_address = models.GenericIPAddressField("IP address", null=True, blank=True)
    user_agent = models.TextField(null=True, blank=True)  # noqa: DJ001 - spec

    objects: ClassVar[Any] = UserSessionQuerySet.as_manager()

    class Meta:
        db_table = "user_sessions"
        ordering = ("-created_at", "id")
        verbose_name = "session"
        constraints = (
            models.UniqueConstraint(
                fields=("session_token",), name="user_sessions_session_token_key"
            ),
            models.UniqueConstraint(
                fields=("refresh_token",), name="user_sessions_refresh_token_key"
            ),
        )
        indexes = (
            models.Index(fields=("session_token",), name="idx_sessions_token"),
            models.Index(fields=("user",), name="idx_sessions_user"),
            models.Index(fields=("expires_at",), name="idx_sessions_expires"),
            models.Index(fields=("organization",), name="idx_sessions_organization"),
            models.Index(fields=("family",), name="idx_sessions_family"),
        )

    def __str__(self) -> str:
        return f"{self.user_id} since {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def kind(self) -> str:
        """`browser` or `api`: what the sign-in is used with."""
        return "browser" if self.family_id is None else "api"

    @property
    def device(self) -> str:
        """What the browser or program calls itself, in short."""
        return device_name(self.user_agent)


class ApiKey(TenantModel):
    """A machine's credential: shown once, stored as a digest, limited to scopes.

    Bound to a robot it is that robot's identity; it survives the person who made it. A key that
    was rotated has a successor, which names it in `replaces`.
    """

    id = uuid_primary_key()
    organization = organization_key()
    user = plain_key("accounts.User")
    robot = plain_key("robots.Robot", on_delete=models.DO_NOTHING, null=True, blank=True)
    name = models.CharField(max_length=255)
    key_hash = models.CharField(max_length=255, editable=False)
    key_prefix = models.CharField(max_length=20, editable=False)
    permissions = ArrayField(
        models.TextField(),
        null=True,
        blank=True,
        default=list,
        db_default=models.Value([], ArrayField(models.TextField())),
    )
    rate_limit = models.IntegerField(
        null=True,
        blank=True,
        default=1000,
        db_default=1000,
        validators=(MinValueValidator(1),),
        help_text="Requests per minute; empty for no limit.",
    )
    allowed_networks = ArrayField(
        models.TextField(),
        default=list,
        db_default=models.Value([], ArrayField(models.TextField())),
        blank=True,
        help_text="Addresses and networks from which the key is taken; none for any.",
    )
    line_protocol_mapping = models.JSONField(
        "line protocol",
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        validators=(validate_line_mapping,),
        help_text="How lines that Telegraf or InfluxDB's clients write with this key are read:"
        ' {"robot_tag": "machine", "metadata_tags": ["firmware"], "dropped_tags": ["host"],'
        ' "prefix": "plc"}, each as needed. A tag that is not named becomes part of the metric.',
    )
    replaces = plain_key(
        "accounts.ApiKey", on_delete=models.DO_NOTHING, null=True, blank=True, editable=False
    )
    is_active = models.BooleanField("active", null=True, default=True, db_default=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = moment()
    created_at = created_at()

    objects: ClassVar[Any] = ApiKeyQuerySet.as_manager()

    class Meta:
        db_table = "api_keys"
        ordering = ("-created_at", "id")
        verbose_name = "API key"
        constraints = (
            models.UniqueConstraint(fields=("key_hash",), name="api_keys_key_hash_key"),
            models.UniqueConstraint(fields=("replaces",), name="api_keys_one_successor"),
            moment_check("api_keys", "expires_at"),
        )
        indexes = (
            models.Index(fields=("key_hash",), name="idx_api_keys_hash"),
            models.Index(fields=("organization",), name="idx_api_keys_organization"),
            models.Index(fields=("user",), name="idx_api_keys_user"),
            models.Index(fields=("robot",), name="idx_api_keys_robot"),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.key_prefix}…)"

    @property
    def scopes(self) -> tuple[str, ...]:
        """What it may do, as whoever checks a grant asks for it."""
        return tuple(self.permissions or ())

    @property
    def is_running(self) -> bool:
        """Whether it has neither been revoked nor expired."""
        return bool(self.is_active) and (
            self.expires_at is None or self.expires_at > timezone.now()
        )


class SecondFactor(TenantModel):
    """A person's second factor: the seed of their app, sealed, and digests of recovery codes.

    One a person. Without `confirmed_at` it is being set up and asks nobody for anything. It goes
    when the person, or an admin for them, does without it.
    """

    sealed_fields: ClassVar[tuple[str, ...]] = ("seed",)

    id = uuid_primary_key()
    organization = organization_key()
    user = plain_key("accounts.User", on_delete=models.DO_NOTHING)
    seed = models.TextField(editable=False)
    recovery_digests = ArrayField(
        models.TextField(),
        default=list,
        db_default=models.Value([], ArrayField(models.TextField())),
        editable=False,
    )
    last_step = models.BigIntegerField(null=True, editable=False)
    confirmed_at = models.DateTimeField(null=True, editable=False)
    created_at = created_at()

    objects: ClassVar[Any] = SecondFactorQuerySet.as_manager()

    class Meta:
        db_table = "second_factors"
        ordering = ("-created_at", "id")
        constraints = (models.UniqueConstraint(fields=("user",), name="second_factors_user_key"),)
        indexes = (models.Index(fields=("organization",), name="idx_factors_organization"),)

    def __str__(self) -> str:
        return f"Second factor of {self.user_id}"


class OneTimeLink(TenantModel):
    """A link that a person was sent by e-mail; `apps.accounts.links` tells its life.

    One for each person and purpose: a newer one takes the place of the one before. The token is
    stored as a digest. Rows are kept for 30 days after `expires_at`, unless they are used.
    """

    id = uuid_primary_key()
    organization = organization_key()
    user = plain_key("accounts.User", on_delete=models.DO_NOTHING)
    purpose = models.CharField(max_length=50, choices=LinkPurpose)
    token_digest = models.CharField(max_length=64, editable=False)
    expires_at = models.DateTimeField()
    created_at = created_at()

    objects: ClassVar[Any] = OneTimeLinkQuerySet.as_manager()

    class Meta:
        db_table = "one_time_links"
        ordering = ("-created_at", "id")
        constraints = (
            models.UniqueConstraint(fields=("token_digest",), name="one_time_links_digest_key"),
            models.UniqueConstraint(
                fields=("user", "purpose"), name="one_time_links_user_purpose_key"
            ),
            choices_check("one_time_links", "purpose", LinkPurpose),
        )
        indexes = (models.Index(fields=("organization",), name="idx_links_organization"),)

    def __str__(self) -> str:
        return f"{self.purpose} of {self.user_id}"


class Invitation(TenantModel):
    """Somebody who has been asked to join an organization, until they do or it is revoked.

    The link's token is stored as a digest, once it has been sent. Rows are kept for 30 days after
    `expires_at`; those that are not expired take a place of the plan.
    """

    id = uuid_primary_key()
    organization = organization_key()
    email = models.EmailField("e-mail", max_length=255)
    role = models.CharField(
        max_length=50, choices=Role, default=Role.OPERATOR, db_default=Role.OPERATOR
    )
    permissions = ArrayField(
        models.TextField(),
        default=list,
        db_default=models.Value([], ArrayField(models.TextField())),
        blank=True,
    )
    invited_by = plain_key(
        "accounts.User", null=True, blank=True, db_column="invited_by", editable=False
    )
    invited_by_key = plain_key(
        "accounts.ApiKey", on_delete=models.DO_NOTHING, null=True, blank=True, editable=False
    )
    token_digest = models.CharField(  # noqa: DJ001 - none before it is sent
        max_length=64, null=True, editable=False
    )
    expires_at = models.DateTimeField(editable=False)
    created_at = created_at()

    objects: ClassVar[Any] = InvitationQuerySet.as_manager()

    class Meta:
        db_table = "invitations"
        ordering = ("-created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "email"), name="invitations_organization_email_key"
            ),
            models.UniqueConstraint(fields=("token_digest",), name="invitations_digest_key"),
            choices_check("invitations", "role", Role),
        )
        indexes = (
            models.Index(fields=("invited_by",), name="idx_invitations_invited_by"),
            models.Index(fields=("invited_by_key",), name="idx_invitations_key"),
        )

    def __str__(self) -> str:
        return self.email

    @property
    def is_expired(self) -> bool:
        """Whether its link is too old, and takes no place any more."""
        return self.expires_at <= timezone.now()


class IdempotencyRecord(TenantModel):
    """The answer to a request that carried an `Idempotency-Key`, kept for a day.

    Written in the transaction of what the request did: there is no answer without the effect, and
    no effect without the answer. Not audited: the effect is.
    """

    id = uuid_primary_key()
    organization = organization_key()
    principal_id = models.UUIDField(editable=False)
    key = models.CharField(max_length=255, editable=False)
    request_hash = models.CharField(max_length=64, editable=False)
    status_code = models.SmallIntegerField(editable=False)
    answer = models.TextField(editable=False)
    created_at = created_at()

    objects: ClassVar[Any] = IdempotencyRecordQuerySet.as_manager()

    class Meta:
        db_table = "idempotency_keys"
        ordering = ("-created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("principal_id", "key"), name="idempotency_keys_principal_key"
            ),
        )
        indexes = (
            models.Index(
                fields=("organization", "created_at"), name="idx_idempotency_organization"
            ),
        )

    def __str__(self) -> str:
        return self.key
