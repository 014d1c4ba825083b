"""Forgotten passwords through the API."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.auth.password_validators import MAX_LENGTH
from apps.accounts.services.one_time_links import password_choose, password_reset_order
from urfmp.common.api.serializers import StrictSerializer
from urfmp.common.api.viewsets import PrincipalView


class PasswordResetSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=255)


class PasswordChooseSerializer(StrictSerializer):
    token = serializers.CharField(max_length=200, help_text="The code from the e-mail.")
    password = serializers.CharField(
        max_length=MAX_LENGTH, trim_whitespace=False, style={"input_type": "password"}
    )


class PasswordResetView(PrincipalView):
    """Somebody forgot their password."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        request=PasswordResetSerializer,
        responses={202: None, 409: OpenApiResponse()},
        operation_id="auth_password_reset",
        description="Have a link sent to an address, if it has an account. The answer is the same"
        " whether or not it has one.",
    )
    def post(self, request: Request) -> Response:
        form = PasswordResetSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        password_reset_order(request._request, email=form.validated_data["email"])  # noqa: SLF001
        return Response(status=202)


class PasswordChooseView(PrincipalView):
    """A password is chosen against the code of a link."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        request=PasswordChooseSerializer,
        responses={204: None},
        operation_id="auth_password_reset_confirm",
        description="Choose a password against the code of a link, from a reset or an invitation."
        " It ends all of the person's sign-ins.",
    )
    def post(self, request: Request) -> Response:
        form = PasswordChooseSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        password_choose(request._request, **form.validated_data)  # noqa: SLF001
        return Response(status=204)
