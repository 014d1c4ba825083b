"""Claim codes in the API: robots exchange them for a key."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.auth.requests import request_actor
from apps.robots.services.claim_codes import claim_code_exchange
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import StrictSerializer
from urfmp.common.api.viewsets import PrincipalView


class ClaimCodeSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="The claim code. It cannot be shown again.")
    expires_at = serializers.DateTimeField()


@body_example("A claim code as the page of the robot shows it", {"code": "7K3M-9QXA-T2VD-40ZR"})
class DeviceClaimSerializer(StrictSerializer):
    code = serializers.CharField(max_length=50)


class ClaimedRobotSerializer(serializers.Serializer[Any]):
    robot_id = serializers.UUIDField()
    robot_name = serializers.CharField()
    key = serializers.CharField(help_text="The robot's API key. It cannot be shown again.")


class DeviceClaimView(PrincipalView):
    """Exchange of a claim code for a robot's API key."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        request=DeviceClaimSerializer,
        responses={201: ClaimedRobotSerializer, 400: OpenApiResponse(), 409: OpenApiResponse()},
        summary="Exchange a claim code for an API key",
        operation_id="device_claim",
        description="Exchange a robot's claim code, once, for an API key that is bound to the robot"
        " and has the scopes telemetry:write and commands:write. Store the key before anything"
        " else: if the response is lost, revoke the key and create another code. The error is the"
        " same for all codes that cannot be exchanged.",
    )
    def post(self, request: Request) -> Response:
        body = DeviceClaimSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        actor = request_actor(request._request)  # noqa: SLF001
        claimed = claim_code_exchange(actor, **body.validated_data)
        answer = {
            "robot_id": str(claimed.robot.pk),
            "robot_name": claimed.robot.name,
            "key": claimed.key,
        }
        return Response(answer, status=201, headers={"Cache-Control": "no-store"})
