"""Corrections of stored points in the API."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentMixin
from apps.robots.models import Robot
from apps.telemetry.api.parameters import robot_parameter
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.protocols.points import (
    INEXACT_INTEGER,
    MAX_METRIC_NAME_LENGTH,
    metric_name_error,
)
from apps.telemetry.selectors.corrections import PointsSummary
from apps.telemetry.services.corrections import (
    MAX_DELETED_POINTS,
    MAX_REASON_LENGTH,
    MAX_REPLACED_POINTS,
    points_delete,
    points_delete_preview,
    points_replace,
    points_replace_preview,
)
from urfmp.common.api.datetimes import AwareDateTimeField
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import StrictSerializer
from urfmp.common.api.viewsets import PrincipalView


@extend_schema_field({"type": "number"})
class PointValueField(serializers.Field):  # type: ignore[type-arg]
    """A finite number that double precision represents, as in ingest."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            msg = "Enter a number."
            raise serializers.ValidationError(msg)
        try:
            value = float(data)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            msg = "Enter a finite number."
            raise serializers.ValidationError(msg)
        if isinstance(data, int) and int(value) != data:
            raise serializers.ValidationError(INEXACT_INTEGER[1])
        return value


class DeletedRangeSerializer(StrictSerializer):
    start = AwareDateTimeField()
    end = AwareDateTimeField(help_text="Exclusive.")


class ReplacedPointSerializer(StrictSerializer):
    time = AwareDateTimeField(help_text="Time of a stored point.")
    value = PointValueField(help_text="New value, in the unit of the point.")


@extend_schema_field(
    {
        "type": "string",
        "pattern": r"^[a-z0-9_]+(\.[a-z0-9_]+)*$",
        "maxLength": MAX_METRIC_NAME_LENGTH,
    }
)
class MetricNameField(serializers.CharField):
    """Name of a metric."""


@body_example(
    "Delete a range",
    {
        "metric_name": "temperature.controller",
        "delete": {"start": "2026-01-31T12:00:00Z", "end": "2026-01-31T12:30:00Z"},
        "expected_points": 412,
        "reason": "Loose sensor cable",
    },
)
class CorrectionSerializer(StrictSerializer):
    metric_name = MetricNameField(max_length=MAX_METRIC_NAME_LENGTH)
    delete = DeletedRangeSerializer(
        required=False,
        help_text=f"Time range whose points are deleted, at most {MAX_DELETED_POINTS:,}. Either"
        " `delete` or `replace` is required.",
    )
    replace = serializers.ListField(
        child=ReplacedPointSerializer(),
        required=False,
        min_length=1,
        max_length=MAX_REPLACED_POINTS,
        help_text="Points whose values are replaced: all of them, or none if one does not exist.",
    )
    reason = serializers.CharField(
        required=False,
        max_length=MAX_REASON_LENGTH,
        help_text="Reason for the audit log; required unless `dry_run`.",
    )
    dry_run = serializers.BooleanField(
        default=False, help_text="Only count the points; nothing is changed."
    )
    expected_points = serializers.IntegerField(
        required=False,
        min_value=0,
        help_text="With `delete`: number of points in the dry run. If the range has another number"
        " in the meantime, the response is 409 `points_changed`.",
    )

    def validate_metric_name(self, value: str) -> str:
        if error := metric_name_error(value):
            raise serializers.ValidationError(error[1])
        return value

    def validate_replace(self, value: list[dict[str, Any]]) -> dict[datetime, float]:
        values = {point["time"]: point["value"] for point in value}
        if len(values) < len(value):
            msg = "Name each time once."
            raise serializers.ValidationError(msg)
        return values

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("delete" in attrs) == ("replace" in attrs):
            msg = "Send either `delete` or `replace`."
            raise serializers.ValidationError({"delete": msg})
        if "replace" in attrs and "expected_points" in attrs:
            msg = "Send it only with `delete`."
            raise serializers.ValidationError({"expected_points": msg})
        if not attrs["dry_run"] and "reason" not in attrs:
            msg = "This field is required unless `dry_run` is true."
            raise serializers.ValidationError({"reason": msg})
        return attrs


class CorrectionResultSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    points = serializers.IntegerField(help_text="Points that were, or would be, corrected.")
    first_time = serializers.DateTimeField(allow_null=True)
    last_time = serializers.DateTimeField(allow_null=True)
    minimum = serializers.FloatField(allow_null=True, help_text="Of the values before.")
    maximum = serializers.FloatField(allow_null=True, help_text="Of the values before.")
    digest = serializers.CharField(
        allow_null=True,
        help_text="SHA-256 of the points before: a line of time, value and unit for each, as in"
        " the audit log. Null in a dry run and without points.",
    )


class CorrectionView(IdempotentMixin, PrincipalView):
    """Corrections of a robot's points, for users only."""

    model = RobotTelemetry
    action = "correct"
    permission_actions: ClassVar[dict[str, str]] = {"correct": "correct"}
    step_up_actions = frozenset({"correct"})
    summaries: ClassVar[dict[str, str]] = {"correct": "Delete or replace stored points"}

    @extend_schema(
        operation_id="robot_telemetry_correct",
        summary="Delete or replace points of a series",
        description="Rollups and the latest value follow at once. Requires the permission"
        " `telemetry.correct` and a step-up; API keys are denied. The audit log gets the range, the"
        " reason, the number and a digest of the points, and up to 1,000 of their values. A deleted"
        " point may be sent and stored again.",
        parameters=[OpenApiParameter("robot_id", UUID, "path")],
        request=CorrectionSerializer,
        responses=CorrectionResultSerializer,
    )
    def post(self, request: Request, robot_id: UUID) -> Response:
        robot = robot_parameter(request, robot_id)
        form = CorrectionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        found = _correct(robot, form.validated_data)
        data = {"dry_run": form.validated_data["dry_run"], **asdict(found)}
        return Response(CorrectionResultSerializer(data).data)


def _correct(robot: Robot, values: dict[str, Any]) -> PointsSummary:
    name, reason = values["metric_name"], values.get("reason", "")
    if "replace" in values:
        arguments = {"metric_name": name, "values": values["replace"]}
        if values["dry_run"]:
            return points_replace_preview(robot, **arguments)
        return points_replace(robot, reason=reason, **arguments)
    range_ = {"metric_name": name, **values["delete"]}
    if values["dry_run"]:
        return points_delete_preview(robot, **range_)
    expected = values.get("expected_points")
    return points_delete(robot, reason=reason, expected_points=expected, **range_)
