"""The user's second factor in the API: set up, renew codes, remove.

The same services and rules as on the page apply. Each change requires a login within the last 15
minutes and revokes all of the user's sessions; the response contains a new session.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.errors import error_response
from apps.accounts.api.permissions import IsUser
from apps.accounts.api.token_pairs import LoginResponseSerializer, token_pair_payload
from apps.accounts.auth.login import log_in
from apps.accounts.auth.requests import request_actor
from apps.accounts.auth.trusted_devices import device_token_issue
from apps.accounts.exceptions import (
    InvalidSecondFactorError,
    PasswordTooShortError,
    TooManyAttemptsError,
    WrongPasswordError,
)
from apps.accounts.middleware.second_factor import is_second_factor_required
from apps.accounts.services.api_tokens import token_pair_issue
from apps.accounts.services.login import throttle_session_code
from apps.accounts.services.passwords import password_verify_without_second_factor
from apps.accounts.services.second_factors import (
    recovery_codes_regenerate,
    second_factor_begin,
    second_factor_confirm,
    second_factor_get,
    second_factor_remove,
    totp_provisioning_uri,
    totp_secret,
)
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import StrictSerializer
from urfmp.common.api.viewsets import PrincipalView
from urfmp.common.http.request_state import request_state
from urfmp.common.http.view_policy import view_policy
from urfmp.common.security.password_validators import MAX_LENGTH
from urfmp.common.security.recent_auth import require_recent_auth

_NO_STORE = {"Cache-Control": "no-store"}


class SecondFactorSerializer(serializers.Serializer[Any]):
    is_in_use = serializers.BooleanField()
    is_required = serializers.BooleanField(help_text="Whether the organization requires one.")
    confirmed_at = serializers.DateTimeField(allow_null=True)
    recovery_codes_left = serializers.IntegerField()


class TotpSecretSerializer(serializers.Serializer[Any]):
    seed = serializers.CharField(
        help_text="Secret for the authenticator app, in base 32. Returned only once."
    )
    otpauth_uri = serializers.CharField(help_text="The same secret as the URI of a QR code.")


@body_example("Code of the authenticator app", {"otp": "123456"})
class CodeSerializer(StrictSerializer):
    otp = serializers.CharField(max_length=20)


@body_example("Current password", {"password": "correct horse battery staple"})
class CurrentPasswordSerializer(StrictSerializer):
    password = serializers.CharField(
        max_length=MAX_LENGTH, trim_whitespace=False, style={"input_type": "password"}
    )


class NewSessionSerializer(serializers.Serializer[Any]):
    tokens = LoginResponseSerializer(
        allow_null=True,
        help_text="Tokens of the new session; null for a browser, which receives a new cookie.",
    )


class RecoveryCodesSerializer(NewSessionSerializer):
    recovery_codes = serializers.ListField(
        child=serializers.CharField(),
        help_text="Each can be used once. They cannot be displayed again.",
    )


class _SecondFactorBaseView(PrincipalView):
    permission_classes = (IsUser,)

    def _new_session(self, *, second_factor: bool) -> dict[str, Any]:
        """Start a new session, because the change revoked all others."""
        plain: Any = self.request._request  # noqa: SLF001
        if request_state(plain).token_session_id is None:
            log_in(plain, self.principal, second_factor=second_factor)
            return {"tokens": None}
        actor = request_actor(plain)
        pair = token_pair_issue(self.principal, actor, second_factor=second_factor)
        device_token = device_token_issue(plain, self.principal)
        return {"tokens": {**token_pair_payload(pair), "device_token": device_token}}

    def _validated_data(
        self, serializer_class: type[serializers.Serializer[Any]]
    ) -> dict[str, Any]:
        require_recent_auth(self.request._request)  # noqa: SLF001
        form = serializer_class(data=self.request.data)
        form.is_valid(raise_exception=True)
        fields: dict[str, Any] = form.validated_data
        return fields


@view_policy(home_organization=True)
class SecondFactorView(_SecondFactorBaseView):
    """Read the user's second factor, or begin a new one."""

    @extend_schema(
        responses=SecondFactorSerializer,
        summary="Get the state of the user's second factor",
        operation_id="auth_second_factor",
        description="State of the current user's second factor.",
    )
    def get(self, request: Request) -> Response:
        row = second_factor_get(self.principal)
        return Response(
            {
                "is_in_use": row is not None,
                "is_required": is_second_factor_required(self.principal),
                "confirmed_at": row.confirmed_at if row else None,
                "recovery_codes_left": len(row.recovery_digests) if row else 0,
            }
        )

    @extend_schema(
        request=None,
        responses={201: TotpSecretSerializer, 409: OpenApiResponse()},
        summary="Begin to set up a second factor",
        operation_id="auth_second_factor_begin",
        description="Create a secret for the authenticator app; it replaces one that was never"
        " confirmed. Logins do not require it until `auth/second-factor/confirm`.",
    )
    def post(self, request: Request) -> Response:
        require_recent_auth(request._request)  # noqa: SLF001
        row = second_factor_begin(self.principal)
        body = {"seed": totp_secret(row), "otpauth_uri": totp_provisioning_uri(row)}
        return Response(body, status=201, headers=_NO_STORE)


@view_policy(home_organization=True)
class SecondFactorConfirmView(_SecondFactorBaseView):
    """Confirm a second factor, which enables it."""

    @extend_schema(
        request=CodeSerializer,
        responses={200: RecoveryCodesSerializer, 401: OpenApiResponse(), 409: OpenApiResponse()},
        summary="Enable the second factor with a code",
        operation_id="auth_second_factor_confirm",
        description="Enable the second factor with a code of the authenticator app. All of the"
        " user's sessions are revoked; the response contains a new session and the recovery codes.",
    )
    def post(self, request: Request) -> Response:
        code = self._validated_data(CodeSerializer)["otp"]
        try:
            with throttle_session_code(self.principal):
                codes = second_factor_confirm(self.principal, code)
        except (InvalidSecondFactorError, TooManyAttemptsError) as error:
            return error_response(error)
        body = {"recovery_codes": codes, **self._new_session(second_factor=True)}
        return Response(body, headers=_NO_STORE)


@view_policy(home_organization=True)
class RecoveryCodesView(_SecondFactorBaseView):
    """Replace all recovery codes."""

    @extend_schema(
        request=None,
        responses={200: RecoveryCodesSerializer, 409: OpenApiResponse()},
        summary="Create new recovery codes",
        operation_id="auth_second_factor_recovery_codes",
        description="Create new recovery codes; the old ones become invalid. All of the user's"
        " sessions are revoked; the response contains a new session.",
    )
    def post(self, request: Request) -> Response:
        require_recent_auth(request._request)  # noqa: SLF001
        codes = recovery_codes_regenerate(self.principal)
        body = {"recovery_codes": codes, **self._new_session(second_factor=True)}
        return Response(body, headers=_NO_STORE)


@view_policy(home_organization=True)
class SecondFactorRemoveView(_SecondFactorBaseView):
    """Remove the user's second factor."""

    @extend_schema(
        request=CurrentPasswordSerializer,
        responses={200: NewSessionSerializer, 409: OpenApiResponse()},
        summary="Remove the user's second factor",
        operation_id="auth_second_factor_remove",
        description="Remove the second factor. The password must then have at least 15 characters,"
        " else the response is 409 `password_too_short`. All of the user's sessions are revoked;"
        " the response contains a new session.",
    )
    def post(self, request: Request) -> Response:
        password = self._validated_data(CurrentPasswordSerializer)["password"]
        actor = request_actor(request._request)  # noqa: SLF001
        try:
            password_verify_without_second_factor(self.principal, actor, password)
        except (WrongPasswordError, PasswordTooShortError, TooManyAttemptsError) as error:
            return error_response(error)
        second_factor_remove(self.principal)
        return Response(self._new_session(second_factor=False), headers=_NO_STORE)
