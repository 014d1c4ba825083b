from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from apps.robots.models import Robot
from apps.telemetry.api.parameters import ListParameter, comma_separated
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.services.export import ExportQuery, telemetry_export
from apps.telemetry.services.export_formats import EXPORT_FORMATS
from urfmp.common.api.datetimes import AwareDateTimeField
from urfmp.common.api.viewsets import PrincipalView
from urfmp.common.db.fields import validate_datetime_range
from urfmp.common.http.downloads import DownloadResponse


class ExportParametersSerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=list(EXPORT_FORMATS))
    start = AwareDateTimeField(validators=[validate_datetime_range])
    end = AwareDateTimeField(validators=[validate_datetime_range])
    robots = ListParameter(
        required=False, help_text="Robot ids, separated by commas; all robots by default."
    )
    metrics = ListParameter(
        required=False, help_text="Metric names, separated by commas; all metrics by default."
    )
    byte_order_mark = serializers.BooleanField(
        default=True, help_text="Whether CSV begins with a byte order mark, as Excel requires."
    )

    def validate_robots(self, value: str) -> tuple[UUID, ...]:
        field = serializers.UUIDField()
        return tuple(
            dict.fromkeys(field.to_internal_value(part) for part in comma_separated(value))
        )

    def validate_metrics(self, value: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(comma_separated(value)))


class _IgnoreFormatNegotiation(DefaultContentNegotiation):
    """Ignores `format` and Accept: `format` is the file's format here."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


def export_response(query: ExportQuery, *, organization_id: UUID) -> DownloadResponse:
    """Return an export as a download.

    Rows are read while the response is sent.

    Raises:
        InvalidRangeError: `start` is not before `end`.
        TooManyExportsError: Too many exports of the organization, or of the platform, are running.
    """
    return DownloadResponse(
        telemetry_export(query, organization_id=organization_id),
        content_type=EXPORT_FORMATS[query.format].content_type,
        file_name=query.file_name,
    )


class ExportView(PrincipalView):
    """Export telemetry of any range as a file."""

    model = RobotTelemetry
    parameters_class = ExportParametersSerializer
    action = "export"
    permission_actions = {"export": "export"}
    content_negotiation_class = _IgnoreFormatNegotiation
    http_method_names = ("get", "options")

    @extend_schema(
        parameters=[ExportParametersSerializer],
        responses={
            (200, kind.content_type.partition(";")[0]): OpenApiTypes.BINARY
            for kind in EXPORT_FORMATS.values()
        },
        summary="Export telemetry as a file",
        operation_id="telemetry_export",
    )
    def get(self, request: Request) -> HttpResponseBase:
        # Repeated parameters are joined; an empty list differs from a missing one.
        data = {name: ",".join(values) for name, values in request.query_params.lists()}
        parameters = ExportParametersSerializer(data=data)
        parameters.is_valid(raise_exception=True)
        values = parameters.validated_data
        principal = self.principal
        if not principal.has_perm("robots.view_robot"):
            msg = "The file contains robot names, so the key also needs the scope robots:read."
            raise PermissionDenied(msg)
        robots = Robot.objects.restrict(principal).order_by("pk")
        requested = values.get("robots")
        if requested is not None:
            robots = robots.filter(pk__in=requested)
        robot_ids = tuple(robots.values_list("pk", flat=True))
        if requested is not None and len(robot_ids) != len(requested):
            raise Http404
        query = ExportQuery(
            robot_ids=robot_ids,
            metrics=values.get("metrics"),
            start=values["start"],
            end=values["end"],
            format=values["format"],
            is_whole_fleet=requested is None,
            has_byte_order_mark=values["byte_order_mark"],
        )
        return export_response(query, organization_id=principal.organization_id)
