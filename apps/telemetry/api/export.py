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
from apps.telemetry.api.parameters import comma_separated
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.services.export import ExportQuery, telemetry_export
from apps.telemetry.services.export_formats import FORMATS
from urfmp.common.api.datetimes import MomentField
from urfmp.common.api.viewsets import PrincipalView
from urfmp.common.db.fields import validate_moment


class ExportParametersSerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=list(FORMATS))
    start = MomentField(validators=[validate_moment])
    end = MomentField(validators=[validate_moment])
    robots = serializers.CharField(
        required=False, help_text="Ids, joined by commas; without it all robots."
    )
    metrics = serializers.CharField(
        required=False, help_text="Names, joined by commas; without it all metrics."
    )

    def validate_robots(self, value: str) -> tuple[UUID, ...]:
        field = serializers.UUIDField()
        return tuple(
            dict.fromkeys(field.to_internal_value(part) for part in comma_separated(value))
        )

    def validate_metrics(self, value: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(comma_separated(value)))


class _AnyFormat(DefaultContentNegotiation):
    """`format` names the file's format here, and the file is what is wanted, whatever is said."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ExportView(PrincipalView):
    """Telemetry as a file, of any range."""

    model = RobotTelemetry
    parameters_class = ExportParametersSerializer
    action = "export"
    permission_actions = {"export": "export"}
    content_negotiation_class = _AnyFormat
    http_method_names = ("get", "options")

    @extend_schema(
        parameters=[ExportParametersSerializer],
        responses={
            (200, kind.content_type.partition(";")[0]): OpenApiTypes.BINARY
            for kind in FORMATS.values()
        },
        operation_id="telemetry_export",
    )
    def get(self, request: Request) -> HttpResponseBase:
        # A list joined again: what is named twice counts, and an empty one is not none.
        given = {name: ",".join(values) for name, values in request.query_params.lists()}
        parameters = ExportParametersSerializer(data=given)
        parameters.is_valid(raise_exception=True)
        asked = parameters.validated_data
        principal = self.principal
        if not principal.has_perm("robots.view_robot"):
            msg = "The names of robots are in the file: the key also needs the scope robots:read."
            raise PermissionDenied(msg)
        robots = Robot.objects.restrict(principal).order_by("pk")
        named = asked.get("robots")
        if named is not None:
            robots = robots.filter(pk__in=named)
        robot_ids = tuple(robots.values_list("pk", flat=True))
        if named is not None and len(robot_ids) != len(named):
            raise Http404
        query = ExportQuery(
            robot_ids=robot_ids,
            metrics=asked.get("metrics"),
            start=asked["start"],
            end=asked["end"],
            format=asked["format"],
            is_whole_fleet=named is None,
        )
        return telemetry_export(query, organization_id=principal.organization_id)
