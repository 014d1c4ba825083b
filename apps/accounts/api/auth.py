"""Login, token refresh, step-up and logout in the API."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.errors import error_response
from apps.accounts.api.permissions import IsUser
from apps.accounts.api.token_pairs import (
    LoginResponseSerializer,
    TokenPairSerializer,
    token_pair_payload,
)
from apps.accounts.auth.login import authenticate_password, log_out, step_up, verify_code
from apps.accounts.auth.requests import request_actor
from apps.accounts.auth.trusted_devices import device_token_issue
from apps.accounts.exceptions import LoginFailedError, SecondFactorRequiredError
from apps.accounts.models import User
from apps.accounts.services.api_tokens import (
    TokenPair,
    token_family_revoke,
    token_pair_issue,
    token_pair_rotate,
)
from apps.accounts.services.login import requires_second_factor
from apps.accounts.services.login_audit import USER_DEACTIVATED, record_failed_login
from apps.accounts.services.step_up import STEP_UP_ERRORS
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import StrictSerializer
from urfmp.common.api.viewsets import PrincipalView
from urfmp.common.http.request_state import request_state
from urfmp.common.http.view_policy import view_policy
from urfmp.common.security.password_validators import MAX_LENGTH
from urfmp.common.tenancy.context import Actor


@body_example(
    "E-mail and password",
    {
        "email": "mira@plant.example",
        "password": "correct horse battery staple",
    },
)
class LoginSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=255)
    password = serializers.CharField(
        max_length=MAX_LENGTH, trim_whitespace=False, style={"input_type": "password"}
    )
    otp = serializers.CharField(
        required=False,
        max_length=20,
        help_text="Code of the authenticator app, if the account has a second factor.",
    )
    recovery_code = serializers.CharField(
        required=False,
        max_length=50,
        help_text="Recovery code instead of `otp`. Each can be used once.",
    )
    device_token = serializers.CharField(
        required=False,
        max_length=2000,
        help_text="`device_token` of this client's previous login, if any.",
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
    "Password and code of the second factor",
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
        required=False,
        max_length=20,
        help_text="Code of the authenticator app, if the account has a second factor.",
    )
    recovery_code = serializers.CharField(
        required=False,
        max_length=50,
        help_text="Recovery code instead of `otp`. Each can be used once.",
    )


def _token_response(pair: TokenPair, **more: str) -> Response:
    return Response({**token_pair_payload(pair), **more}, headers={"Cache-Control": "no-store"})


class LoginView(PrincipalView):
    """Log a user in.

    An error does not reveal whether the account exists.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        request=LoginSerializer,
        responses={200: LoginResponseSerializer, 401: OpenApiResponse()},
        summary="Log in with e-mail and password",
        operation_id="auth_login",
        description="Log in with e-mail and password. An account with a second factor also requires"
        " `otp` or `recovery_code`; without either, the response is 401 `second_factor_required`."
        " Store `device_token` and send it with the next login: wrong passwords from elsewhere then"
        " do not lock this client out.",
    )
    def post(self, request: Request) -> Response:
        form = LoginSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        email, password = form.validated_data["email"], form.validated_data["password"]
        plain = request._request  # noqa: SLF001
        request_state(plain).device_token = form.validated_data.get("device_token", "")
        user = authenticate_password(plain, email=email, password=password)
        if user is None:
            raise LoginFailedError
        actor = request_actor(plain)
        if not requires_second_factor(user):
            return self._issue_tokens(plain, user, actor)
        code = form.validated_data.get("otp") or form.validated_data.get("recovery_code")
        if not code:
            raise SecondFactorRequiredError
        verify_code(plain, user, code)
        return self._issue_tokens(plain, user, actor, second_factor=True)

    def _issue_tokens(
        self, request: HttpRequest, user: User, actor: Actor, *, second_factor: bool = False
    ) -> Response:
        try:
            pair = token_pair_issue(user, actor, second_factor=second_factor)
            return _token_response(pair, device_token=device_token_issue(request, user))
        except LoginFailedError:
            record_failed_login(actor, email=user.email, reason=USER_DEACTIVATED)
            raise


class RefreshView(PrincipalView):
    """Exchange a refresh token for a new token pair."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        request=RefreshSerializer,
        responses={200: TokenPairSerializer, 401: OpenApiResponse()},
        summary="Exchange a refresh token for a new token pair",
        operation_id="auth_refresh",
        description="Exchange a refresh token for a new token pair. If the response does not"
        " arrive, send the request again: for 120 seconds the response is the same pair, unless"
        " the pair has been used. Any other use of an old refresh token revokes the session.",
    )
    def post(self, request: Request) -> Response:
        form = RefreshSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        actor = request_actor(request._request)  # noqa: SLF001
        return _token_response(token_pair_rotate(form.validated_data["refresh_token"], actor))


@view_policy(home_organization=True)
class StepUpView(PrincipalView):
    """Verify the user's password again, before a sensitive action."""

    permission_classes = (IsUser,)

    @extend_schema(
        request=StepUpSerializer,
        responses={204: None, 401: OpenApiResponse()},
        summary="Verify the password again",
        operation_id="auth_step_up",
        description="Verify the password again. For 15 minutes, the session of this request can"
        " perform actions that otherwise return 403 `step_up_required`.",
    )
    def post(self, request: Request) -> Response:
        form = StepUpSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        fields = form.validated_data
        code = fields.get("otp") or fields.get("recovery_code") or ""
        try:
            step_up(request._request, password=fields["password"], code=code)  # noqa: SLF001
        except STEP_UP_ERRORS as error:
            return error_response(error)
        return Response(status=204)


@view_policy(home_organization=True)
class LogoutView(PrincipalView):
    """Revoke the session of the request."""

    permission_classes = (IsUser,)

    @extend_schema(
        request=None,
        responses={204: None},
        summary="Log out",
        operation_id="auth_logout",
        description="Revoke the session of this request, with all of its tokens.",
    )
    def post(self, request: Request) -> Response:
        plain: Any = request._request  # noqa: SLF001
        if (session_id := request_state(plain).token_session_id) is not None:
            token_family_revoke(session_id, user_id=plain.user.pk)
        else:
            log_out(plain)
        return Response(status=204)
