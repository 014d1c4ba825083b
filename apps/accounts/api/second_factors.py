"""A person's own second factor through the API: set up, new recovery codes, do without.

The same services and rules as on the page: whatever changes it needs a sign-in of the last 15
minutes, and ends all of the person's sign-ins. Whoever asks is given a new one.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.errors import refusal
from apps.accounts.api.permissions import IsPerson
from apps.accounts.api.token_pairs import TokenPairSerializer, pair_fields
from apps.accounts.auth.password_validators import MAX_LENGTH
from apps.accounts.exceptions import (
    PasswordTooShortError,
    SecondFactorRefusedError,
    StepUpRefusedError,
    TooManyAttemptsError,
)
from apps.accounts.middleware.second_factor import is_required
from apps.accounts.services.api_tokens import tokens_issue
from apps.accounts.services.login import attempt_take
from apps.accounts.services.second_factors import (
    recovery_codes_renew,
    second_factor_begin,
    second_factor_confirm,
    second_factor_of,
    second_factor_remove,
    seed_address,
    seed_text,
)
from apps.accounts.services.sessions import session_start
from apps.accounts.services.step_up import password_check_alone
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import StrictSerializer
from urfmp.common.api.viewsets import PrincipalView
from urfmp.common.http.view_flags import acts_at_home
from urfmp.common.security.recent_auth import require_fresh

_NO_STORE = {"Cache-Control": "no-store"}


class SecondFactorSerializer(serializers.Serializer[Any]):
    is_in_use = serializers.BooleanField()
    is_required = serializers.BooleanField(help_text="Whether the organization asks for one.")
    confirmed_at = serializers.DateTimeField(allow_null=True)
    recovery_codes_left = serializers.IntegerField()


class SeedSerializer(serializers.Serializer[Any]):
    seed = serializers.CharField(help_text="For the app, in base 32; shown this once.")
    otpauth_uri = serializers.CharField(help_text="The same as apps read it from a QR code.")


@body_example("The code that the app shows", {"otp": "123456"})
class CodeSerializer(StrictSerializer):
    otp = serializers.CharField(max_length=20)


@body_example("The password", {"password": "correct horse battery staple"})
class OwnPasswordSerializer(StrictSerializer):
    password = serializers.CharField(
        max_length=MAX_LENGTH, trim_whitespace=False, style={"input_type": "password"}
    )


class NewSignInSerializer(serializers.Serializer[Any]):
    tokens = TokenPairSerializer(
        allow_null=True,
        help_text="In place of those that ended; null for a browser, whose cookie is new.",
    )


class RecoveryCodesSerializer(NewSignInSerializer):
    recovery_codes = serializers.ListField(
        child=serializers.CharField(), help_text="Each good once; nobody can show them again."
    )


class _OwnFactorView(PrincipalView):
    permission_classes = (IsPerson,)

    def _signed_in(self, *, second_factor: bool) -> dict[str, Any]:
        """Sign the person in anew: the change has ended all of their sign-ins, this one too."""
        plain: Any = self.request._request  # noqa: SLF001
        if getattr(plain, "token_session_id", None) is None:
            session_start(plain, self.principal, second_factor=second_factor)
            return {"tokens": None}
        pair = tokens_issue(plain, self.principal, second_factor=second_factor)
        return {"tokens": pair_fields(pair)}

    def _given(self, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        require_fresh(self.request._request)  # noqa: SLF001
        form = kind(data=self.request.data)
        form.is_valid(raise_exception=True)
        given: dict[str, Any] = form.validated_data
        return given


@acts_at_home
class SecondFactorView(_OwnFactorView):
    """How a person's second factor stands, and a new one."""

    @extend_schema(
        responses=SecondFactorSerializer,
        operation_id="auth_second_factor",
        description="How the second factor of the person who asks stands.",
    )
    def get(self, request: Request) -> Response:
        row = second_factor_of(self.principal)
        return Response(
            {
                "is_in_use": row is not None,
                "is_required": is_required(self.principal),
                "confirmed_at": row.confirmed_at if row else None,
                "recovery_codes_left": len(row.recovery_digests) if row else 0,
            }
        )

    @extend_schema(
        request=None,
        responses={201: SeedSerializer, 409: OpenApiResponse()},
        operation_id="auth_second_factor_begin",
        description="Make a seed for the app, in place of one that was never confirmed. It asks"
        " nobody for anything before `auth/second-factor/confirm`.",
    )
    def post(self, request: Request) -> Response:
        require_fresh(request._request)  # noqa: SLF001
        row = second_factor_begin(self.principal)
        answer = {"seed": seed_text(row), "otpauth_uri": seed_address(row)}
        return Response(answer, status=201, headers=_NO_STORE)


@acts_at_home
class SecondFactorConfirmView(_OwnFactorView):
    """A second factor that was begun comes into use."""

    @extend_schema(
        request=CodeSerializer,
        responses={200: RecoveryCodesSerializer, 401: OpenApiResponse(), 409: OpenApiResponse()},
        operation_id="auth_second_factor_confirm",
        description="Take the second factor into use, by a code of its app. It ends all of the"
        " person's sign-ins; the answer holds a new one, and the recovery codes.",
    )
    def post(self, request: Request) -> Response:
        code = self._given(CodeSerializer)["otp"]
        try:
            attempt_take(self.principal)
            codes = second_factor_confirm(self.principal, code)
        except (SecondFactorRefusedError, TooManyAttemptsError) as error:
            return refusal(error)
        answer = {"recovery_codes": codes, **self._signed_in(second_factor=True)}
        return Response(answer, headers=_NO_STORE)


@acts_at_home
class RecoveryCodesView(_OwnFactorView):
    """New recovery codes in place of all old ones."""

    @extend_schema(
        request=None,
        responses={200: RecoveryCodesSerializer, 409: OpenApiResponse()},
        operation_id="auth_second_factor_recovery_codes",
        description="Make new recovery codes; the old ones are dead. It ends all of the person's"
        " sign-ins; the answer holds a new one.",
    )
    def post(self, request: Request) -> Response:
        require_fresh(request._request)  # noqa: SLF001
        codes = recovery_codes_renew(self.principal)
        answer = {"recovery_codes": codes, **self._signed_in(second_factor=True)}
        return Response(answer, headers=_NO_STORE)


@acts_at_home
class SecondFactorRemoveView(_OwnFactorView):
    """A person does without their second factor."""

    @extend_schema(
        request=OwnPasswordSerializer,
        responses={200: NewSignInSerializer, 409: OpenApiResponse()},
        operation_id="auth_second_factor_remove",
        description="Do without the second factor. The password has to do alone afterwards: 409"
        " `password_too_short` under 15 characters. It ends all of the person's sign-ins; the"
        " answer holds a new one.",
    )
    def post(self, request: Request) -> Response:
        password = self._given(OwnPasswordSerializer)["password"]
        try:
            password_check_alone(request._request, self.principal, password)  # noqa: SLF001
        except (StepUpRefusedError, PasswordTooShortError, TooManyAttemptsError) as error:
            return refusal(error)
        second_factor_remove(self.principal)
        return Response(self._signed_in(second_factor=False), headers=_NO_STORE)
