"""Templates of tasks through the API."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from rest_framework import serializers

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.maintenance.choices import StepKind
from apps.maintenance.models import Part, TaskTemplate
from apps.maintenance.models.parts import MAX_QUANTITY
from apps.maintenance.models.templates import (
    MAX_SKILL_CHARS,
    MAX_SKILLS,
)
from apps.maintenance.services.templates import (
    PartDraft,
    StepDraft,
    template_create,
    template_update,
)
from apps.organizations.choices import MaintenanceType
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import (
    ScopedModelSerializer,
    ScopedRelatedField,
    StrictSerializer,
)
from urfmp.common.api.viewsets import WriteViewSet


def limit_field(help_text: str) -> serializers.DecimalField:
    """Return a limit of a number; null for none."""
    return serializers.DecimalField(
        max_digits=15, decimal_places=3, required=False, allow_null=True, help_text=help_text
    )


class TemplateStepSerializer(StrictSerializer):
    title = serializers.CharField(max_length=255)
    kind = serializers.ChoiceField(StepKind.choices)
    unit = serializers.CharField(max_length=20, required=False, allow_null=True)
    minimum = limit_field("Lower limit of a number; below it, the step fails.")
    maximum = limit_field("Upper limit of a number.")
    is_required = serializers.BooleanField(
        default=True, help_text="Whether a task cannot be completed without it."
    )


class TemplatePartSerializer(StrictSerializer):
    part = ScopedRelatedField(queryset=Part.objects.all())
    quantity = serializers.DecimalField(
        max_digits=12, decimal_places=3, min_value=0, max_value=MAX_QUANTITY
    )


@body_example(
    "A monthly inspection",
    {
        "title": "Monthly inspection of a welding cell",
        "type": "inspection",
        "estimated_duration": 30,
        "skills": ["Welding cell access"],
        "steps": [
            {"title": "Light curtain stops the robot", "kind": "pass_fail"},
            {
                "title": "Backlash of joint 2",
                "kind": "number",
                "unit": "mm",
                "maximum": "0.200",
            },
            {"title": "Photo of the torch", "kind": "photo", "is_required": False},
        ],
    },
)
class TaskTemplateSerializer(ScopedModelSerializer):
    skills = serializers.ListField(
        child=serializers.CharField(max_length=MAX_SKILL_CHARS),
        required=False,
        max_length=MAX_SKILLS,
    )
    steps = TemplateStepSerializer(
        many=True,
        required=False,
        help_text="Checklist in its order. A change replaces it as a whole.",
    )
    parts = TemplatePartSerializer(
        many=True,
        required=False,
        help_text="Parts that the work needs. A change replaces them as a whole.",
    )

    class Meta:
        model = TaskTemplate
        fields = (
            "id",
            "title",
            "description",
            "type",
            "priority",
            "estimated_duration",
            "skills",
            "steps",
            "parts",
            "is_active",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("id", "created_at", "updated_at")


class TaskTemplateFilterSet(django_filters.FilterSet):
    type = django_filters.ChoiceFilter(choices=MaintenanceType.choices)
    is_active = BooleanFilter()


class TaskTemplateViewSet(ETagMixin, IdempotentCreateMixin, WriteViewSet):
    """Templates of maintenance tasks: checklist, parts, duration and skills."""

    model = TaskTemplate
    serializer_class = TaskTemplateSerializer
    filterset_class = TaskTemplateFilterSet
    ordering = "title"
    ordering_fields = ("title", "created_at")

    def get_queryset(self) -> QuerySet[Any]:
        """Return the visible templates with their steps and parts."""
        return super().get_queryset().prefetch_related("steps", "parts")

    def perform_create(self, serializer: Any) -> None:
        template = template_create(
            organization_id=self.principal.organization_id, **_values(serializer.validated_data)
        )
        serializer.instance = self.get_queryset().get(pk=template.pk)

    def perform_update(self, serializer: Any) -> None:
        template = template_update(serializer.instance, **_values(serializer.validated_data))
        serializer.instance = self.get_queryset().get(pk=template.pk)


def _values(validated: dict[str, Any]) -> dict[str, Any]:
    values = dict(validated)
    if "steps" in values:
        values["steps"] = [StepDraft(**step) for step in values["steps"]]
    if "parts" in values:
        values["parts"] = [PartDraft(**part) for part in values["parts"]]
    return values
