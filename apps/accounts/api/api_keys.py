from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.auth.password_validators import MAX_LENGTH
from apps.accounts.models import ApiKey, User, UserSession
from apps.accounts.models.line_protocol_mapping import JSON_SCHEMA, mapping_faults
from apps.accounts.permissions.roles import PERMISSIONS, SCOPES
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer


@body_example(
    "A technician",
    {
        "email": "mira@plant.example",
        "first_name": "Mira",
        "role": "technician",
    },
)
class UserSerializer(ScopedModelSerializer):
    permissions = serializers.ListField(
        child=serializers.ChoiceField(sorted(PERMISSIONS)),
        required=False,
        help_text="Grants beyond the role.",
    )

    class Meta:
        model = User
        fields = (
            "id",
            "email",
            "first_name",
            "last_name",
            "role",
            "permissions",
            "is_active",
            "email_verified",
            "last_login",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("id", "email_verified", "last_login", "created_at", "updated_at")


class UserSessionSerializer(ScopedModelSerializer):
    class Meta:
        model = UserSession
        fields = (
            "id",
            "user",
            "created_at",
            "last_activity_at",
            "expires_at",
            "ip_address",
            "user_agent",
        )
        read_only_fields = fields


class OwnSessionSerializer(ScopedModelSerializer):
    kind = serializers.CharField(read_only=True, help_text="`browser` or `api`.")
    device = serializers.CharField(read_only=True, help_text="As in `Firefox on Windows`.")
    is_current = serializers.SerializerMethodField(
        help_text="Whether this request comes from this sign-in."
    )

    class Meta:
        model = UserSession
        fields = (
            "id",
            "kind",
            "device",
            "is_current",
            "ip_address",
            "user_agent",
            "created_at",
            "last_activity_at",
            "expires_at",
        )
        read_only_fields = fields

    def get_is_current(self, row: UserSession) -> bool:
        return bool(row.pk == self.context.get("current_session_id"))


@body_example(
    "E-mail and password",
    {
        "email": "mira@plant.example",
        "password": "correct horse battery staple",
    },
)
class SignInSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=255)
    password = serializers.CharField(
        max_length=MAX_LENGTH, trim_whitespace=False, style={"input_type": "password"}
    )
    otp = serializers.CharField(
        required=False, max_length=20, help_text="The code of the app, with a second factor."
    )
    recovery_code = serializers.CharField(
        required=False, max_length=50, help_text="Instead of `otp`: good once."
    )


@body_example(
    "The newest refresh token",
    {
        "refresh_token": "urfmp_rt_4kT2",
    },
)
class RefreshSerializer(StrictSerializer):
    refresh_token = serializers.CharField(max_length=200, trim_whitespace=False)


@body_example(
    "Password, and a code of the second factor",
    {
        "password": "correct horse battery staple",
        "otp": "123456",
    },
)
class StepUpSerializer(StrictSerializer):
    password = serializers.CharField(
        max_length=MAX_LENGTH, trim_whitespace=False, style={"input_type": "password"}
    )
    otp = serializers.CharField(
        required=False, max_length=20, help_text="The code of the app, with a second factor."
    )
    recovery_code = serializers.CharField(
        required=False, max_length=50, help_text="Instead of `otp`: good once."
    )


class PasswordResetSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=255)


class PasswordChooseSerializer(StrictSerializer):
    token = serializers.CharField(max_length=200, help_text="The code from the e-mail.")
    password = serializers.CharField(
        max_length=MAX_LENGTH, trim_whitespace=False, style={"input_type": "password"}
    )


class TokenPairSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField(help_text="For `Authorization: Bearer`.")
    token_type = serializers.CharField(help_text="Always `Bearer`.")
    expires_in = serializers.IntegerField(help_text="Seconds until the access token ends.")
    refresh_token = serializers.CharField(help_text="Good for one refresh.")
    refresh_expires_in = serializers.IntegerField(
        help_text="Seconds until the sign-in ends, however often it is refreshed."
    )


class EndedSerializer(serializers.Serializer[Any]):
    ended = serializers.IntegerField(help_text="How many sign-ins were ended.")


@body_example(
    "A key that sends telemetry",
    {
        "name": "Line 3 gateway",
        "permissions": ["robots:read", "telemetry:write"],
        "rate_limit": 6000,
    },
)
@extend_schema_field(JSON_SCHEMA)
class LineMappingField(serializers.JSONField):
    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        if faults := mapping_faults(value):
            raise serializers.ValidationError(faults)
        return value


class ApiKeySerializer(ScopedModelSerializer):
    permissions = serializers.ListField(child=serializers.ChoiceField(sorted(SCOPES)))
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=50),
        required=False,
        max_length=50,
        help_text="Addresses and networks, as in `192.0.2.0/24`, from which the key is taken.",
    )
    line_protocol_mapping = LineMappingField(required=False)
    key = serializers.SerializerMethodField(
        help_text="The key itself: in the answer to its creation, never again."
    )

    class Meta:
        model = ApiKey
        fields = (
            "id",
            "name",
            "key",
            "key_prefix",
            "permissions",
            "robot",
            "rate_limit",
            "allowed_networks",
            "line_protocol_mapping",
            "replaces",
            "is_active",
            "last_used_at",
            "expires_at",
            "user",
            "created_at",
        )
        read_only_fields = (
            "id", "key_prefix", "replaces", "is_active", "last_used_at", "user", "created_at",
        )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is not None and (fixed := sorted(attrs.keys() & {"permissions", "robot"})):
            raise serializers.ValidationError(
                dict.fromkeys(fixed, "This stays as it is; make another key.")
            )
        return attrs

    def get_key(self, row: ApiKey) -> str | None:
        key: str | None = getattr(row, "shown_once", None)
        return key


class RotationSerializer(StrictSerializer):
    overlap_hours = serializers.IntegerField(
        default=24, min_value=0, max_value=720, help_text="How long the old key goes on working."
    )
