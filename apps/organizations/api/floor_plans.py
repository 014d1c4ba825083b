"""The floor plan of a facility through the API."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.organizations.api.floor_plan_pictures import picture_response
from apps.organizations.choices import PlanMediaType
from apps.organizations.models import FloorPlan
from apps.organizations.models.calibration import MAX_METRES
from apps.organizations.services.floor_plans import (
    floor_plan_calibrate,
    floor_plan_remove,
    floor_plan_upload,
)
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import StrictSerializer, decode_base64

# In base64, and below the limit of request bodies.
_MAX_CONTENT_CHARS = 7_500_000


class PlanPointSerializer(StrictSerializer):
    x_px = serializers.FloatField(min_value=0, help_text="Pixels from the left edge.")
    y_px = serializers.FloatField(min_value=0, help_text="Pixels from the upper edge.")
    x_m = serializers.FloatField(min_value=-MAX_METRES, max_value=MAX_METRES)
    y_m = serializers.FloatField(min_value=-MAX_METRES, max_value=MAX_METRES)


@body_example(
    "Set scale and origin",
    {
        "points": [
            {"x_px": 120, "y_px": 900, "x_m": 0, "y_m": 0},
            {"x_px": 1720, "y_px": 900, "x_m": 80, "y_m": 0},
        ]
    },
)
class FloorPlanChangeSerializer(StrictSerializer):
    file_name = serializers.CharField(required=False, max_length=255)
    content = serializers.CharField(
        required=False,
        max_length=_MAX_CONTENT_CHARS,
        help_text="A PNG, JPEG, SVG or PDF file in base64; of a PDF the first page is used.",
    )
    points = serializers.ListField(
        child=PlanPointSerializer(),
        required=False,
        min_length=2,
        max_length=2,
        help_text="Two points of the picture with their coordinates in the facility, in metres.",
    )

    def validate_content(self, value: str) -> bytes:
        """Return the decoded file.

        Raises:
            ValidationError: The text is not base64.
        """
        return decode_base64(value)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require a file or points.

        Raises:
            ValidationError: There is neither.
        """
        if not attrs.keys() & {"content", "points"}:
            msg = "Send the content of a plan, or two points."
            raise serializers.ValidationError({"content": msg})
        return attrs


class CalibrationSerializer(serializers.Serializer[Any]):
    points = PlanPointSerializer(many=True)
    metres_per_pixel = serializers.FloatField()
    rotation_rad = serializers.FloatField(
        help_text="Angle of the picture's x axis in the facility, counter-clockwise."
    )


class FloorPlanDocumentSerializer(serializers.Serializer[Any]):
    file_name = serializers.CharField()
    media_type = serializers.ChoiceField(PlanMediaType.choices)
    width_px = serializers.IntegerField()
    height_px = serializers.IntegerField()
    digest = serializers.CharField(help_text="SHA-256 of the picture, and its ETag.")
    calibration = CalibrationSerializer(allow_null=True)
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


def _document(plan: FloorPlan) -> dict[str, Any]:
    solved = plan.solved_calibration
    calibration = None
    if solved is not None:
        calibration = {
            **solved.document(),
            "metres_per_pixel": solved.metres_per_pixel,
            "rotation_rad": solved.rotation_rad,
        }
    names = ("file_name", "media_type", "width_px", "height_px", "digest", "version")
    own = {name: getattr(plan, name) for name in names}
    times = {"created_at": plan.created_at, "updated_at": plan.updated_at}
    return dict(FloorPlanDocumentSerializer({**own, **times, "calibration": calibration}).data)


class FloorPlanActions:
    """Operations on the floor plan, for the view set of facilities."""

    floor_plan_permissions = {
        "update_floor_plan": "change",
        "remove_floor_plan": "change",
    }

    def _plans(self, verb: str) -> Any:
        facility = self.get_object()  # type: ignore[attr-defined]
        plans = FloorPlan.objects.restrict(self.principal, verb)  # type: ignore[attr-defined]
        return plans.filter(facility=facility)

    def _plan(self, verb: str) -> FloorPlan:
        plan: FloorPlan | None = self._plans(verb).without_picture().first()
        if plan is None:
            raise Http404
        return plan

    @extend_schema(responses=FloorPlanDocumentSerializer)
    @action(detail=True, methods=["get"], url_path="floor-plan", filterset_class=None)
    def floor_plan(self, request: Request, pk: str) -> Response:
        """Get the floor plan of a facility.

        404 if the facility has none. The picture is at `floor-plan/picture`.
        """
        return Response(_document(self._plan("view")))

    @extend_schema(request=FloorPlanChangeSerializer, responses=FloorPlanDocumentSerializer)
    @floor_plan.mapping.patch
    def update_floor_plan(self, request: Request, pk: str) -> Response:
        """Change the floor plan of a facility.

        A file replaces the picture and removes the calibration. Two points set scale, rotation and
        origin; both can be sent at once. Pixels count from the upper left corner of the stored
        picture, whose size is in the response: large pictures are made smaller.
        """
        facility = self.get_object()  # type: ignore[attr-defined]
        body = FloorPlanChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        values = body.validated_data
        if "content" in values:
            name = values.get("file_name", "plan")
            plan = floor_plan_upload(facility, file_name=name, content=values["content"])
        else:
            plan = self._plan("change")
        if "points" in values:
            points = [dict(point) for point in values["points"]]
            plan = floor_plan_calibrate(plan, points=points, digest=plan.digest)
        return Response(_document(plan))

    @extend_schema(request=None, responses={204: None})
    @floor_plan.mapping.delete
    def remove_floor_plan(self, request: Request, pk: str) -> Response:
        """Delete the floor plan of a facility."""
        floor_plan_remove(self._plan("change"))
        return Response(status=204)

    @extend_schema(
        responses={
            (200, "image/png"): OpenApiTypes.BINARY,
            (200, "image/jpeg"): OpenApiTypes.BINARY,
            (200, "image/svg+xml"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="The client has this picture."),
        }
    )
    @action(detail=True, methods=["get"], url_path="floor-plan/picture", filterset_class=None)
    def floor_plan_picture(self, request: Request, pk: str) -> HttpResponse:
        """Get the picture of a floor plan."""
        return picture_response(self._plans("view"), request.headers.get("If-None-Match", ""))
