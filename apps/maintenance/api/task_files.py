"""Photos and documents of tasks through the API."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.maintenance.choices import FileMediaType
from apps.maintenance.models import TaskFile
from apps.maintenance.services.task_files import (
    MAX_FILE_BYTES,
    task_file_add,
    task_file_check,
    task_file_delete,
)
from apps.robots.api.operators import author_of
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import ScopedModelSerializer, decode_base64
from urfmp.common.api.viewsets import ReadViewSet
from urfmp.common.http.stored_files import stored_file_response


def file_response(files: QuerySet[Any], if_none_match: str) -> HttpResponse:
    """Return the content of a file, or 304.

    Browsers show pictures; they save other files.

    Args:
        files: The file, or no row.
        if_none_match: Header of the request.

    Raises:
        Http404: The file does not exist.
    """
    return stored_file_response(files, if_none_match, _content_response)


def _content_response(file: TaskFile) -> HttpResponse:
    kind = f"{file.media_type}; charset=utf-8" if file.media_type == "text/plain" else None
    response = HttpResponse(bytes(file.content), content_type=kind or file.media_type)
    place = "inline" if file.is_image else "attachment"
    name = quote(file.file_name, safe="")
    response["Content-Disposition"] = f"{place}; filename*=UTF-8''{name}"
    return response


@body_example(
    "A note as a text file",
    {
        "task": "5c1f0a92-7c7e-4f0b-8a37-2f9f0f6f7b02",
        "file_name": "torque.txt",
        "content": "Sm9pbnQgMjogNDAgTm0=",
    },
)
class TaskFileSerializer(ScopedModelSerializer):
    content = serializers.CharField(
        write_only=True,
        max_length=MAX_FILE_BYTES * 4 // 3 + 4,
        help_text="A JPEG, PNG, PDF or plain text file in base64. Pictures are encoded anew,"
        " without metadata; large ones are made smaller.",
    )
    file_name = serializers.CharField(max_length=255)

    class Meta:
        model = TaskFile
        fields = (
            "id",
            "task",
            "step",
            "file_name",
            "content",
            "media_type",
            "size_bytes",
            "width_px",
            "height_px",
            "digest",
            "uploaded_by",
            "created_at",
        )
        read_only_fields = (
            "id",
            "media_type",
            "size_bytes",
            "width_px",
            "height_px",
            "digest",
            "uploaded_by",
            "created_at",
        )
        extra_kwargs = {
            "step": {"help_text": "Step of the task's checklist; a photo records a photo step."},
            "digest": {"help_text": "SHA-256 of the content, and its ETag."},
            "uploaded_by": {"help_text": "User who sent it; null for an API key."},
        }

    def validate_content(self, value: str) -> bytes:
        """Return the decoded file.

        Raises:
            ValidationError: The text is not base64.
        """
        return decode_base64(value)


class TaskFileFilterSet(django_filters.FilterSet):
    task = django_filters.UUIDFilter(field_name="task_id")
    step = django_filters.UUIDFilter(field_name="step_id")
    media_type = django_filters.MultipleChoiceFilter(choices=FileMediaType.choices)


class TaskFileViewSet(IdempotentCreateMixin, mixins.DestroyModelMixin, ReadViewSet):
    """Photos and documents of tasks."""

    model = TaskFile
    serializer_class = TaskFileSerializer
    filterset_class = TaskFileFilterSet
    permission_actions = {"content": "view"}

    def get_queryset(self) -> QuerySet[Any]:
        """Return the visible files; one operation needs their content."""
        rows: Any = super().get_queryset()
        return rows if self.action == "content" else rows.without_content()  # type: ignore[no-any-return]

    def perform_create(self, serializer: Any) -> None:
        values = serializer.validated_data
        serializer.instance = task_file_add(
            values["task"],
            task_file_check(values["content"]),
            file_name=values["file_name"],
            user=author_of(self.principal),
            step=values.get("step"),
        )

    def perform_destroy(self, instance: TaskFile) -> None:
        task_file_delete(instance)

    @extend_schema(
        responses={
            **{(200, media_type): OpenApiTypes.BINARY for media_type in FileMediaType.values},
            304: OpenApiResponse(description="The client has this content."),
        }
    )
    @action(detail=True, methods=["get"])
    def content(self, request: Request, pk: str) -> HttpResponse:
        """Get the content of a file."""
        files = self.get_queryset().filter(pk=self.get_object().pk)
        return file_response(files, request.headers.get("If-None-Match", ""))
