"""Parts, their stocks and movements through the API."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from rest_framework import mixins, serializers

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.maintenance.choices import PartMovementKind
from apps.maintenance.models import Part, PartMovement, PartStock, TaskPart
from apps.maintenance.models.parts import MAX_QUANTITY
from apps.maintenance.services.part_movements import MAX_REASON_CHARS, part_movement_create
from apps.maintenance.services.parts import (
    part_create,
    part_stock_create,
    part_stock_update,
    part_update,
)
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer
from urfmp.common.api.viewsets import ReadViewSet, WriteViewSet


def _quantity(**kwargs: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=12, decimal_places=3, **kwargs)


@body_example(
    "A belt of which two should always be in stock",
    {
        "number": "B-7",
        "name": "Timing belt",
        "unit": "pcs",
        "unit_cost": "19.50",
        "minimum_quantity": "2",
    },
)
class PartSerializer(ScopedModelSerializer):
    on_hand = _quantity(read_only=True, help_text="Quantity in all places together.")
    reserved = _quantity(read_only=True, help_text="Reserved by tasks, of the quantity on hand.")

    class Meta:
        model = Part
        fields = (
            "id",
            "number",
            "name",
            "unit",
            "unit_cost",
            "minimum_quantity",
            "on_hand",
            "reserved",
            "is_active",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("id", "created_at", "updated_at")


class PartFilterSet(django_filters.FilterSet):
    number = django_filters.CharFilter()
    name = django_filters.CharFilter(lookup_expr="icontains")
    is_active = BooleanFilter()
    low_stock = BooleanFilter(method="with_low_stock")

    def with_low_stock(self, rows: Any, name: str, value: bool) -> Any:
        low = rows.low_stock()
        return low if value else rows.exclude(pk__in=low.values("pk"))


class PartViewSet(ETagMixin, IdempotentCreateMixin, WriteViewSet):
    """Parts of the organization's catalogue."""

    model = Part
    serializer_class = PartSerializer
    filterset_class = PartFilterSet
    ordering = "number"
    ordering_fields = ("number", "name", "created_at")

    def get_queryset(self) -> QuerySet[Any]:
        """Return the visible parts with their totals."""
        return super().get_queryset().with_totals()  # type: ignore[attr-defined,no-any-return]

    def perform_create(self, serializer: Any) -> None:
        part = part_create(
            organization_id=self.principal.organization_id, **serializer.validated_data
        )
        serializer.instance = self.get_queryset().get(pk=part.pk)

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = part_update(serializer.instance, **serializer.validated_data)


@body_example(
    "A cabinet in which a part is kept",
    {
        "part": "0b8a7c1e-31a5-4a0e-9c1b-3d5b8d6f1a01",
        "facility": "5c1f0a92-7c7e-4f0b-8a37-2f9f0f6f7b02",
        "storage_location": "Cabinet 3, shelf B",
    },
)
class PartStockSerializer(ScopedModelSerializer):
    class Meta:
        model = PartStock
        fields = (
            "id",
            "part",
            "facility",
            "storage_location",
            "quantity",
            "reserved",
            "created_at",
            "updated_at",
        )
        read_only_fields: tuple[str, ...] = (
            "id",
            "quantity",
            "reserved",
            "created_at",
            "updated_at",
        )


@body_example("Another shelf", {"storage_location": "Cabinet 4, shelf A"})
class PartStockUpdateSerializer(PartStockSerializer):
    class Meta(PartStockSerializer.Meta):
        read_only_fields = (*PartStockSerializer.Meta.read_only_fields, "part")


class PartStockFilterSet(django_filters.FilterSet):
    part = django_filters.UUIDFilter(field_name="part_id")
    facility = django_filters.UUIDFilter(field_name="facility_id")


class PartStockViewSet(ETagMixin, IdempotentCreateMixin, WriteViewSet):
    """Stocks of parts, by place; movements change their quantities."""

    model = PartStock
    serializer_class = PartStockSerializer
    filterset_class = PartStockFilterSet
    ordering = "created_at"
    ordering_fields = ("created_at", "storage_location")

    def get_serializer_class(self) -> Any:
        """Return the fields of the action: a stored stock keeps its part."""
        is_update = self.action == "partial_update"
        return PartStockUpdateSerializer if is_update else PartStockSerializer

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = part_stock_create(
            organization_id=self.principal.organization_id, **serializer.validated_data
        )

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = part_stock_update(serializer.instance, **serializer.validated_data)


@body_example(
    "Use a part for a task",
    {
        "stock": "0b8a7c1e-31a5-4a0e-9c1b-3d5b8d6f1a01",
        "kind": "use",
        "quantity": "2",
        "task": "5c1f0a92-7c7e-4f0b-8a37-2f9f0f6f7b02",
    },
)
class PartMovementSerializer(ScopedModelSerializer):
    quantity = _quantity(
        min_value=0,
        max_value=MAX_QUANTITY,
        help_text="In the part's unit; above 0. For a count, what was counted.",
    )
    reason = serializers.CharField(
        max_length=MAX_REASON_CHARS,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Required for a count.",
    )

    class Meta:
        model = PartMovement
        fields = (
            "id",
            "part",
            "stock",
            "task",
            "kind",
            "quantity",
            "quantity_after",
            "reserved_after",
            "reason",
            "user",
            "created_at",
        )
        read_only_fields = ("id", "part", "quantity_after", "reserved_after", "user", "created_at")


class PartMovementFilterSet(django_filters.FilterSet):
    part = django_filters.UUIDFilter(field_name="part_id")
    stock = django_filters.UUIDFilter(field_name="stock_id")
    task = django_filters.UUIDFilter(field_name="task_id")
    kind = django_filters.MultipleChoiceFilter(choices=PartMovementKind.choices)


class PartMovementViewSet(IdempotentCreateMixin, mixins.CreateModelMixin, ReadViewSet):
    """Movements of stocks: receive, reserve, release, use, return and count."""

    model = PartMovement
    serializer_class = PartMovementSerializer
    filterset_class = PartMovementFilterSet

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = part_movement_create(**serializer.validated_data)


class TaskPartSerializer(ScopedModelSerializer):
    part = serializers.UUIDField(source="stock.part_id", read_only=True)

    class Meta:
        model = TaskPart
        fields = ("id", "task", "part", "stock", "reserved", "used", "unit_cost", "created_at")
        read_only_fields = fields


class TaskPartFilterSet(django_filters.FilterSet):
    task = django_filters.UUIDFilter(field_name="task_id")
    stock = django_filters.UUIDFilter(field_name="stock_id")


class TaskPartViewSet(ReadViewSet):
    """Parts that tasks have reserved and used, by stock."""

    model = TaskPart
    select = ("stock",)
    serializer_class = TaskPartSerializer
    filterset_class = TaskPartFilterSet
