"""Imports of robots in the API."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_field, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentMixin
from apps.accounts.models import User
from apps.robots.choices import RobotImportMode, RobotImportStatus
from apps.robots.models import RobotImport
from apps.robots.protocols.fleet_files.columns import MAX_ROWS
from apps.robots.protocols.fleet_files.readers import (
    MAX_FILE_BYTES,
    read_fleet_file,
    rows_of_objects,
)
from apps.robots.selectors.imports import import_counts, import_errors
from apps.robots.services.imports.control import (
    robot_import_cancel,
    robot_import_create,
    robot_import_start,
)
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer
from urfmp.common.api.viewsets import ReadViewSet

# Not classes: some names are those of methods of a serializer.
ImportCountsSerializer = inline_serializer(
    "ImportCounts",
    {
        "create": serializers.IntegerField(help_text="Rows that add a robot."),
        "update": serializers.IntegerField(help_text="Rows that change a robot."),
        "unchanged": serializers.IntegerField(help_text="Rows without a change."),
        "bad": serializers.IntegerField(help_text="Rows with errors."),
        "done": serializers.IntegerField(help_text="Rows that the import has processed."),
    },
)


class RobotImportSerializer(ScopedModelSerializer):
    counts = serializers.SerializerMethodField()

    class Meta:
        model = RobotImport
        fields = (
            "id",
            "file_name",
            "status",
            "mode",
            "row_count",
            "rows_done",
            "counts",
            "error_message",
            "created_by",
            "created_by_key",
            "created_at",
            "started_at",
            "ended_at",
        )
        read_only_fields = fields

    @extend_schema_field(ImportCountsSerializer)
    def get_counts(self, row: RobotImport) -> dict[str, int]:
        return import_counts(row)


@body_example(
    "Two robots",
    {
        "rows": [
            {"serial_number": "WX-1", "name": "Welding 7", "vendor": "kuka", "cell": "7"},
            {"serial_number": "WX-2", "name": "Welding 8", "vendor": "kuka", "cell": "8"},
        ]
    },
)
class RobotImportCreateSerializer(StrictSerializer):
    rows = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        help_text=f"Objects with the columns of the file, at most {MAX_ROWS:,}.",
    )
    csv = serializers.CharField(
        required=False,
        max_length=MAX_FILE_BYTES,
        trim_whitespace=False,
        help_text="Text of a CSV file, instead of `rows`.",
    )
    file_name = serializers.CharField(required=False, max_length=255)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("rows" in attrs) == ("csv" in attrs):
            raise serializers.ValidationError({"rows": "Send either rows or csv."})
        return attrs


class RobotImportStartSerializer(StrictSerializer):
    mode = serializers.ChoiceField(RobotImportMode.choices)


class RowErrorSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField(help_text="Line of the CSV, or number of the object.")
    column = serializers.CharField(help_text="Column; empty for the whole row.")
    reason = serializers.CharField()


RowErrorListSerializer = inline_serializer(
    "RowErrorList", {"errors": RowErrorSerializer(many=True)}
)


class RobotImportFilterSet(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=RobotImportStatus.choices)


@extend_schema(
    description="Imports of robots. A row adds the robot with a new serial number, or changes the"
    " one with a known serial number or id. A column that a row lacks keeps its value, an empty one"
    " is emptied. First all rows are checked without a change; then start the import."
)
class RobotImportViewSet(IdempotentMixin, ReadViewSet):
    """Imports of robots."""

    model = RobotImport
    serializer_class = RobotImportSerializer
    filterset_class = RobotImportFilterSet
    select = ("created_by", "created_by_key")
    permission_actions = {"start": "change", "cancel": "change", "errors": "view"}
    summaries = {"create": "Create an import of robots"}

    @extend_schema(request=RobotImportCreateSerializer, responses={201: RobotImportSerializer})
    def create(self, request: Request) -> Response:
        """Upload robots, and check them without changing anything."""
        body = RobotImportCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        values = body.validated_data
        is_user = isinstance(self.principal, User)
        row = robot_import_create(
            organization_id=self.principal.organization_id,
            rows=(
                rows_of_objects(values["rows"])
                if "rows" in values
                else read_fleet_file(values["csv"].encode())
            ),
            file_name=values.get("file_name", ""),
            created_by=self.principal if is_user else None,
            created_by_key=None if is_user else self.principal.pk,
        )
        return Response(self.get_serializer(row).data, status=201)

    @extend_schema(request=RobotImportStartSerializer, responses=RobotImportSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Start an import whose rows are checked."""
        row = self.get_object()
        body = RobotImportStartSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(self.get_serializer(robot_import_start(row, **body.validated_data)).data)

    @extend_schema(request=None, responses=RobotImportSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel an import; robots that are imported stay."""
        return Response(self.get_serializer(robot_import_cancel(self.get_object())).data)

    @extend_schema(responses=RowErrorListSerializer)
    @action(detail=True, methods=["get"])
    def errors(self, request: Request, pk: str) -> Response:
        """List the errors of bad rows."""
        errors = import_errors(self.get_object(), limit=MAX_ROWS)
        return Response({"errors": RowErrorSerializer(errors, many=True).data})
