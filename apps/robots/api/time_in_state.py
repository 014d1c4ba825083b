"""Time in state, availability and timelines through the API."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

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
    MAX_INTERVALS,
    TimeRange,
    status_days,
    status_intervals,
    status_summary,
)
from urfmp.common.api.datetimes import AwareDateTimeField, TimezoneParameter
from urfmp.common.api.viewsets import PrincipalView

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_ROBOT_ID = OpenApiParameter("robot_id", UUID, "path")
_FORMULA = (
    f"Availability is up / (up + down) after EN 15341. Up: {', '.join(sorted(UP))}; down: "
    f"{', '.join(sorted(DOWN))}. Maintenance is counted separately; time before a robot's "
    "first recorded status is unknown and not counted."
)


class RangeParameters(serializers.Serializer[Any]):
    """Time range of a request; the default is the last 24 hours."""

    start = AwareDateTimeField(required=False, help_text="The default is 24 hours before the end.")
    end = AwareDateTimeField(
        required=False, help_text="The default is now; later times are cut to now."
    )

    @property
    def span(self) -> TimeRange:
        """The requested range."""
        end = self.validated_data.get("end") or timezone.now()
        start = self.validated_data.get("start")
        if start is None:
            # Within 24 hours of the earliest datetime, the start would underflow.
            start = end - min(timedelta(hours=24), end - _EARLIEST)
        return TimeRange.of(start, end)


class SummaryParameters(RangeParameters):
    """Range of a summary, and its division into days."""

    bucket = serializers.ChoiceField(
        ["day"], required=False, help_text="`day` adds the totals of each day of `timezone`."
    )
    timezone = TimezoneParameter(
        help_text="IANA name of the timezone in which days begin at midnight. With daylight saving "
        "time a day may have 23 or 25 hours."
    )

    def summary_response(self, robot_ids: Collection[UUID]) -> HttpResponse:
        """Return the totals of some robots, by day if requested."""
        span = self.span
        if "bucket" not in self.validated_data:
            return _json_response(_summary_fields(status_summary(robot_ids, span), span, robot_ids))
        zone = ZoneInfo(self.validated_data["timezone"])
        days, total = status_days(robot_ids, span, zone)
        return _json_response(
            {
                **_summary_fields(total, span, robot_ids),
                "days": [_summary_fields(summary, day, robot_ids) for day, summary in days],
            }
        )


class FleetRangeParameters(SummaryParameters):
    facility = serializers.CharField(
        required=False, max_length=255, help_text="Name of a facility; only its robots are counted."
    )

    def validate_facility(self, value: str) -> str:
        """Reject a name that no facility and no robot's location has."""
        principal = self.context["request"].user
        if not (
            Facility.objects.restrict(principal).filter(name=value).exists()
            or Robot.objects.restrict(principal)
            .filter(location__contains={"facility": value})
            .exists()
        ):
            msg = "Facility not found."
            raise serializers.ValidationError(msg)
        return value


class TimelineParameters(RangeParameters):
    max_segments = serializers.IntegerField(min_value=2, max_value=MAX_INTERVALS, default=500)


class TimeInStatusSerializer(serializers.Serializer[Any]):
    status = serializers.CharField()
    seconds = serializers.FloatField()
    share = serializers.FloatField(
        help_text="Share of the range times the number of robots, 0 to 1."
    )
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


class StatusSummaryWithDaysSerializer(StatusSummarySerializer):
    days = StatusSummarySerializer(
        many=True, required=False, help_text="Totals of each day, with `bucket=day` only."
    )


class SegmentSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(
        help_text="The most severe status if intervals were merged; empty if unknown."
    )
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    spells = serializers.IntegerField()
    statuses = serializers.ListField(
        child=serializers.CharField(), help_text="All statuses in the interval, the longest first."
    )
    reason = serializers.CharField(allow_null=True)


class TimelineSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    segments = SegmentSerializer(many=True)


def _json_response(data: Any) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(data), content_type="application/json")


def _summary_fields(
    summary: StatusSummary, span: TimeRange, robot_ids: Collection[UUID]
) -> dict[str, Any]:
    return {
        "start": span.start,
        "end": span.end,
        "robots": len(robot_ids),
        "statuses": [
            {
                "status": item.status,
                "seconds": item.time.total_seconds(),
                "share": summary.share(item.time),
                "spells": item.spells,
            }
            for item in summary.statuses
        ],
        "up_seconds": summary.up.total_seconds(),
        "down_seconds": summary.down.total_seconds(),
        "maintenance_seconds": summary.maintenance.total_seconds(),
        "unknown_seconds": summary.unknown.total_seconds(),
        "availability": summary.availability,
        "availability_with_maintenance": summary.availability_with_maintenance,
    }


class _HistoryView(PrincipalView):
    model = RobotStatusHistory
    parameters_class: ClassVar[type[RangeParameters]]

    def parameters(self, request: Request) -> Any:
        data, context = request.query_params.dict(), {"request": request}
        parameters = self.parameters_class(data=data, context=context)
        parameters.is_valid(raise_exception=True)
        return parameters

    def visible_robot_id(self, robot_id: UUID) -> UUID:
        if not Robot.objects.restrict(self.principal).filter(pk=robot_id).exists():
            raise Http404
        return robot_id


class RobotStatusSummaryView(_HistoryView):
    """Time in each status and availability of one robot."""

    parameters_class = SummaryParameters

    @extend_schema(
        parameters=[SummaryParameters, _ROBOT_ID],
        responses=StatusSummaryWithDaysSerializer,
        summary="Get a robot's time in each status and its availability",
        operation_id="robot_status_history_summary",
        description=_FORMULA,
    )
    def get(self, request: Request, robot_id: UUID) -> HttpResponse:
        robots = [self.visible_robot_id(robot_id)]
        parameters: SummaryParameters = self.parameters(request)
        return parameters.summary_response(robots)


class FleetStatusSummaryView(_HistoryView):
    """Totals of all robots in service, or of one facility."""

    parameters_class = FleetRangeParameters

    @extend_schema(
        parameters=[FleetRangeParameters],
        responses=StatusSummaryWithDaysSerializer,
        summary="Get the fleet's time in each status and its availability",
        operation_id="status_history_summary",
        description=f"Totals of the robots in service. {_FORMULA}",
    )
    def get(self, request: Request) -> HttpResponse:
        parameters: FleetRangeParameters = self.parameters(request)
        robots = Robot.objects.restrict(self.principal).in_service().order_by()
        if facility := parameters.validated_data.get("facility"):
            robots = robots.filter(location__contains={"facility": facility})
        ids = list(robots.values_list("pk", flat=True))
        return parameters.summary_response(ids)


class RobotTimelineView(_HistoryView):
    """Status timeline of one robot, with short intervals merged."""

    parameters_class = TimelineParameters

    @extend_schema(
        parameters=[TimelineParameters, _ROBOT_ID],
        responses=TimelineSerializer,
        summary="Get the status intervals of a robot",
        operation_id="robot_status_history_timeline",
        description=(
            "If there are more status intervals than `max_segments`, intervals too short to be "
            "drawn are merged into one, with the most severe of their statuses."
        ),
    )
    def get(self, request: Request, robot_id: UUID) -> HttpResponse:
        robot_id = self.visible_robot_id(robot_id)
        parameters = self.parameters(request)
        span = parameters.span
        max_segments = parameters.validated_data["max_segments"]
        segments = status_intervals([robot_id], span, max_segments)[robot_id]
        return _json_response({"start": span.start, "end": span.end, "segments": segments})
