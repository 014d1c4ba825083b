"""Time in state, availability, and the spells behind them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from django.http import Http404, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from apps.organizations.models import Facility
from apps.robots.models import Robot, RobotStatusHistory
from apps.robots.selectors.availability import DOWN, UP, StatusSummary
from apps.robots.selectors.status_intervals import (
    MAX_SEGMENTS,
    StatusRange,
    status_segments,
    status_summary,
)
from urfmp.common.api.datetimes import MomentField
from urfmp.common.api.viewsets import PrincipalView

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_ROBOT_ID = OpenApiParameter("robot_id", UUID, "path")
_FORMULA = (
    f"Availability is up / (up + down) after EN 15341. Up: {', '.join(sorted(UP))}; down: "
    f"{', '.join(sorted(DOWN))}. Maintenance is counted by itself; what lies before a robot's "
    "first recorded status is unknown and counts as nothing."
)


class RangeParameters(serializers.Serializer[Any]):
    """A range of time, the last 24 hours unless told."""

    start = MomentField(required=False, help_text="24 hours before the end.")
    end = MomentField(required=False, help_text="Now, and never later than now.")

    @property
    def span(self) -> StatusRange:
        """The range asked for."""
        end = self.validated_data.get("end") or timezone.now()
        start = self.validated_data.get("start")
        if start is None:
            # Within the first day of all calendars there is nothing 24 hours earlier.
            start = end - min(timedelta(hours=24), end - _EARLIEST)
        return StatusRange.of(start, end)


class FleetRangeParameters(RangeParameters):
    facility = serializers.CharField(
        required=False, max_length=255, help_text="Robots of one facility, by its name."
    )

    def validate_facility(self, value: str) -> str:
        """Refuse a name that means no place: of no facility, of no robot's location."""
        principal = self.context["request"].user
        if not (
            Facility.objects.restrict(principal).filter(name=value).exists()
            or Robot.objects.restrict(principal)
            .filter(location__contains={"facility": value})
            .exists()
        ):
            msg = "There is no such facility."
            raise serializers.ValidationError(msg)
        return value


class TimelineParameters(RangeParameters):
    max_segments = serializers.IntegerField(min_value=2, max_value=MAX_SEGMENTS, default=500)


class TimeInStatusSerializer(serializers.Serializer[Any]):
    status = serializers.CharField()
    seconds = serializers.FloatField()
    share = serializers.FloatField(help_text="Of the range times the robots, 0 to 1.")
    spells = serializers.IntegerField()


class StatusSummarySerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    robots = serializers.IntegerField()
    statuses = TimeInStatusSerializer(many=True)
    up_seconds = serializers.FloatField()
    down_seconds = serializers.FloatField()
    maintenance_seconds = serializers.FloatField()
    unknown_seconds = serializers.FloatField()
    availability = serializers.FloatField(allow_null=True, help_text=_FORMULA)
    availability_with_maintenance = serializers.FloatField(
        allow_null=True, help_text="up / (up + down + maintenance)."
    )


class SegmentSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(
        help_text="The gravest, where it stands for several spells; empty where unknown."
    )
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    spells = serializers.IntegerField()
    statuses = serializers.ListField(
        child=serializers.CharField(), help_text="All that occurred, the longest first."
    )
    reason = serializers.CharField(allow_null=True)


class TimelineSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    segments = SegmentSerializer(many=True)


def _json(data: Any) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(data), content_type="application/json")


def _summary(summary: StatusSummary, span: StatusRange, robots: int) -> HttpResponse:
    return _json(
        {
            "start": span.start,
            "end": span.end,
            "robots": robots,
            "statuses": [
                {
                    "status": one.status,
                    "seconds": one.time.total_seconds(),
                    "share": summary.share(one.time),
                    "spells": one.spells,
                }
                for one in summary.statuses
            ],
            "up_seconds": summary.up.total_seconds(),
            "down_seconds": summary.down.total_seconds(),
            "maintenance_seconds": summary.maintenance.total_seconds(),
            "unknown_seconds": summary.unknown.total_seconds(),
            "availability": summary.availability,
            "availability_with_maintenance": summary.availability_with_maintenance,
        }
    )


class _HistoryView(PrincipalView):
    model = RobotStatusHistory
    parameters_class: ClassVar[type[RangeParameters]]

    def parameters(self, request: Request) -> Any:
        data, context = request.query_params.dict(), {"request": request}
        parameters = self.parameters_class(data=data, context=context)
        parameters.is_valid(raise_exception=True)
        return parameters

    def own_robot(self, robot_id: UUID) -> UUID:
        if not Robot.objects.restrict(self.principal).filter(pk=robot_id).exists():
            raise Http404
        return robot_id


class RobotStatusSummaryView(_HistoryView):
    """How long a robot was in each status, and its availability."""

    parameters_class = RangeParameters

    @extend_schema(
        parameters=[RangeParameters, _ROBOT_ID],
        responses=StatusSummarySerializer,
        operation_id="robot_status_history_summary",
        description=_FORMULA,
    )
    def get(self, request: Request, robot_id: UUID) -> HttpResponse:
        robots = [self.own_robot(robot_id)]
        span = self.parameters(request).span
        return _summary(status_summary(robots, span), span, 1)


class FleetStatusSummaryView(_HistoryView):
    """The same for all robots in service, or for those of one facility, added up."""

    parameters_class = FleetRangeParameters

    @extend_schema(
        parameters=[FleetRangeParameters],
        responses=StatusSummarySerializer,
        operation_id="status_history_summary",
        description=f"Robots in service, added up. {_FORMULA}",
    )
    def get(self, request: Request) -> HttpResponse:
        parameters = self.parameters(request)
        robots = Robot.objects.restrict(self.principal).in_service().order_by()
        if facility := parameters.validated_data.get("facility"):
            robots = robots.filter(location__contains={"facility": facility})
        ids = list(robots.values_list("pk", flat=True))
        return _summary(status_summary(ids, parameters.span), parameters.span, len(ids))


class RobotTimelineView(_HistoryView):
    """A robot's spells, thinned to what a picture can show; nothing is left out."""

    parameters_class = TimelineParameters

    @extend_schema(
        parameters=[TimelineParameters, _ROBOT_ID],
        responses=TimelineSerializer,
        operation_id="robot_status_history_timeline",
        description=(
            "Where there are more spells than `max_segments`, those too short to be seen are put "
            "together: one segment of several spells, under the gravest of their statuses."
        ),
    )
    def get(self, request: Request, robot_id: UUID) -> HttpResponse:
        robot_id = self.own_robot(robot_id)
        parameters = self.parameters(request)
        span = parameters.span
        most = parameters.validated_data["max_segments"]
        segments = status_segments([robot_id], span, most)[robot_id]
        return _json({"start": span.start, "end": span.end, "segments": segments})
