"""Yardstick views: an empty one, and one with Django's own bulk insert."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.robots.models import Robot
from apps.telemetry.models import RobotTelemetry


def empty(request: HttpRequest) -> HttpResponse:
    """Return an empty response, after all of the middleware."""
    return HttpResponse()


class PointSerializer(serializers.Serializer[Any]):
    """A point, validated by a DRF serializer."""

    robot_id = serializers.UUIDField()
    metric_name = serializers.RegexField(r"^[a-z0-9_]+(\.[a-z0-9_]+)*$", max_length=100)
    time = serializers.DateTimeField()
    value = serializers.FloatField()
    unit = serializers.CharField(max_length=20, required=False, allow_null=True)


class MayWriteTelemetry(BasePermission):
    """The permission that ingest requires."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the API key may write telemetry."""
        return bool(request.user.has_perm("telemetry.write_robottelemetry"))


class BulkCreateView(APIView):
    """Store a batch with a serializer and `bulk_create`.

    The robots are looked up with one query.
    """

    permission_classes = [MayWriteTelemetry]

    def post(self, request: Request) -> Response:
        """Store a batch."""
        data: Any = request.data
        serializer = PointSerializer(data=data["points"], many=True)
        serializer.is_valid(raise_exception=True)
        points = serializer.validated_data
        wanted = {point["robot_id"] for point in points}
        known = set(
            Robot.objects.filter(pk__in=wanted, is_active=True).values_list("pk", flat=True)
        )
        if wanted - known:
            raise serializers.ValidationError({"robot_id": "This robot does not exist."})
        RobotTelemetry.objects.bulk_create([RobotTelemetry(**point) for point in points])
        return Response({"accepted": len(points)})
