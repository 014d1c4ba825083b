"""Password reset in the API."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.auth.login import request_password_reset
from apps.accounts.auth.requests import request_actor
from apps.accounts.services.one_time_links import password_set_with_token
from urfmp.common.api.serializers import StrictSerializer
from urfmp.common.api.viewsets import PrincipalView
from urfmp.common.security.password_validators import MAX_LENGTH


class PasswordResetSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=255)


class PasswordResetConfirmSerializer(StrictSerializer):
    token = serializers.CharField(max_length=200, help_text="Token from the e-mail.")
    password = serializers.CharField(
        max_length=MAX_LENGTH, trim_whitespace=False, style={"input_type": "password"}
    )


class PasswordResetView(PrincipalView):
    """Request a password reset link."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        request=PasswordResetSerializer,
        responses={202: None, 409: OpenApiResponse()},
        summary="Request a password reset link",
        operation_id="auth_password_reset",
        description="Send a password reset link to an address, if it has an account. The response"
        " is the same whether or not it has one.",
    )
    def post(self, request: Request) -> Response:
        form = PasswordResetSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        request_password_reset(request._request, email=form.validated_data["email"])  # noqa: SLF001
        return Response(status=202)


class PasswordResetConfirmView(PrincipalView):
    """Set a password with the token of a link."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        request=PasswordResetConfirmSerializer,
        responses={204: None},
        summary="Set a password with the token of a link",
        operation_id="auth_password_reset_confirm",
        description="Set a password with the token of a link, from a reset or an invitation. All of"
        " the user's sessions are revoked.",
    )
    def post(self, request: Request) -> Response:
        form = PasswordResetConfirmSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        actor = request_actor(request._request)  # noqa: SLF001
        password_set_with_token(actor, **form.validated_data)
        return Response(status=204)
