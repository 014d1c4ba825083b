"""Signing in and out through the API."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.errors import refusal
from apps.accounts.api.permissions import IsPerson
from apps.accounts.api.token_pairs import TokenPairSerializer, pair_fields
from apps.accounts.auth.password_validators import MAX_LENGTH
from apps.accounts.exceptions import SecondFactorRequiredError, SignInRefusedError
from apps.accounts.models import User
from apps.accounts.services.api_tokens import TokenPair, tokens_end, tokens_issue, tokens_refresh
from apps.accounts.services.login import code_check, needs_code, password_show
from apps.accounts.services.sessions import DEACTIVATED, session_end_current, session_refuse
from apps.accounts.services.step_up import StepUpFailure, step_up
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import StrictSerializer
from urfmp.common.api.viewsets import PrincipalView
from urfmp.common.http.view_flags import acts_at_home


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


def _answer(pair: TokenPair) -> Response:
    return Response(pair_fields(pair), headers={"Cache-Control": "no-store"})


class LoginView(PrincipalView):
    """A person signs in; a failure does not tell whether the account exists."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        request=SignInSerializer,
        responses={200: TokenPairSerializer, 401: OpenApiResponse()},
        operation_id="auth_login",
        description="Sign in with e-mail and password. An account with a second factor needs `otp`"
        " or `recovery_code` as well: without either, the answer is 401 `second_factor_required`.",
    )
    def post(self, request: Request) -> Response:
        form = SignInSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        email, password = form.validated_data["email"], form.validated_data["password"]
        plain = request._request  # noqa: SLF001
        user = password_show(plain, email=email, password=password)
        if user is None:
            raise SignInRefusedError
        if not needs_code(user):
            return self._signed_in(plain, user)
        code = form.validated_data.get("otp") or form.validated_data.get("recovery_code")
        if not code:
            raise SecondFactorRequiredError
        code_check(plain, user, code)
        return self._signed_in(plain, user, second_factor=True)

    def _signed_in(self, request: HttpRequest, user: User, **how: bool) -> Response:
        try:
            return _answer(tokens_issue(request, user, **how))
        except SignInRefusedError:
            session_refuse(request, email=user.email, reason=DEACTIVATED)
            raise


class RefreshView(PrincipalView):
    """A refresh token is changed for a new pair."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        request=RefreshSerializer,
        responses={200: TokenPairSerializer, 401: OpenApiResponse()},
        operation_id="auth_refresh",
        description="Change a refresh token for a new pair. Each is good once; a token that is"
        " used again later ends the sign-in.",
    )
    def post(self, request: Request) -> Response:
        form = RefreshSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return _answer(
            tokens_refresh(request._request, form.validated_data["refresh_token"])  # noqa: SLF001
        )


@acts_at_home
class StepUpView(PrincipalView):
    """A person shows their password again, before something dangerous."""

    permission_classes = (IsPerson,)

    @extend_schema(
        request=StepUpSerializer,
        responses={204: None, 401: OpenApiResponse()},
        operation_id="auth_step_up",
        description="Show the password again. For 15 minutes the sign-in that this request comes"
        " from may do what otherwise answers 403 `step_up_required`.",
    )
    def post(self, request: Request) -> Response:
        form = StepUpSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        code = given.get("otp") or given.get("recovery_code") or ""
        try:
            step_up(request._request, password=given["password"], code=code)  # noqa: SLF001
        except StepUpFailure as error:
            return refusal(error)
        return Response(status=204)


@acts_at_home
class LogoutView(PrincipalView):
    """The sign-in that a request comes from ends."""

    permission_classes = (IsPerson,)

    @extend_schema(
        request=None,
        responses={204: None},
        operation_id="auth_logout",
        description="End the sign-in that this request comes from, with all of its tokens.",
    )
    def post(self, request: Request) -> Response:
        plain: Any = request._request  # noqa: SLF001
        if (session_id := getattr(plain, "token_session_id", None)) is not None:
            tokens_end(session_id, user_id=plain.user.pk)
        else:
            session_end_current(plain)
        return Response(status=204)
