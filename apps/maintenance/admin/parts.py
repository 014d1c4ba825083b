"""Parts and their stocks in the admin."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apps.maintenance.choices import PartMovementKind
from apps.maintenance.models import Part, PartMovement, PartStock
from apps.maintenance.models.parts import MAX_QUANTITY, stock_state
from apps.maintenance.selectors.parts import (
    latest_movements,
    low_stock_count,
    part_stocks,
    quantity_text,
)
from apps.maintenance.services.part_movements import MAX_REASON_CHARS, part_movement_create
from apps.maintenance.services.parts import (
    part_create,
    part_stock_create,
    part_stock_update,
    part_update,
)
from urfmp.common.admin import (
    ObjectAction,
    OrganizationScopedAdmin,
    ScopedModelForm,
    request_user,
)
from urfmp.common.rendering.formats import NOTHING, format_number
from urfmp.common.rendering.html import badge, datetime_html

_LOW = "low"


def _quantity_field(minimum: Decimal) -> forms.DecimalField:
    return forms.DecimalField(
        min_value=minimum,
        max_value=MAX_QUANTITY,
        decimal_places=3,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


class ReceiveForm(forms.Form):
    """Parts that arrive."""

    quantity = _quantity_field(Decimal("0.001"))
    reason = forms.CharField(
        label="Note",
        required=False,
        max_length=MAX_REASON_CHARS,
        help_text="For example the delivery note.",
        widget=UnfoldAdminTextInputWidget(),
    )


class CountForm(forms.Form):
    """What was counted in a place, and why."""

    quantity = _quantity_field(Decimal(0))
    reason = forms.CharField(
        max_length=MAX_REASON_CHARS, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )


def _move(kind: PartMovementKind) -> Any:
    def run(_request: HttpRequest, stock: PartStock, values: dict[str, Any]) -> PartMovement:
        return part_movement_create(stock=stock, kind=kind, **values)

    return run


class LowStockFilter(DropdownFilter):
    """Filter parts by whether they have to be reordered."""

    title = "stock"
    parameter_name = "stock"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(_LOW, "Low")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != _LOW:
            return queryset
        low = Part.objects.restrict(request.user).low_stock()
        return queryset.filter(pk__in=low.values("pk"))


def _movements_html(movements: Iterable[PartMovement], *, with_place: bool) -> SafeString:
    rows = format_html_join(
        "", "<li>{}</li>", ((_movement_html(m, with_place),) for m in movements)
    )
    if not rows:
        return format_html('<p class="u-empty">Nothing has been received yet.</p>')
    return format_html('<ol class="u-rows">{}</ol>', rows)


def _movement_html(movement: PartMovement, with_place: bool) -> SafeString:
    part, stock = movement.part, movement.stock
    facts: list[SafeString | str] = [
        datetime_html(movement.created_at),
        str(movement.user) if movement.user_id else "",
        f"{stock.facility.name}, {stock.storage_location}" if with_place else "",
        f"then {quantity_text(movement.quantity_after, part)} on hand",
    ]
    if movement.task is not None:
        page = reverse("admin:maintenance_maintenancetask_change", args=[movement.task_id])
        facts.append(format_html('<a href="{}">{}</a>', page, movement.task.title))
    return format_html(
        '<div class="u-rows__main"><span class="u-strong">{}: {}</span>{}'
        '<div class="u-rows__meta">{}</div></div>',
        movement.get_kind_display(),
        quantity_text(movement.quantity, part),
        format_html('<p class="u-rows__text">{}</p>', movement.reason) if movement.reason else "",
        format_html_join("", "<span>{}</span>", ((fact,) for fact in facts if fact)),
    )


@admin.register(Part)
class PartAdmin(OrganizationScopedAdmin[Part]):
    audit_resource = "part"
    empty_text = "Spare parts and consumables for maintenance work appear here."
    list_display = ("number", "name", "state", "quantity_on_hand", "available", "minimum", "cost")
    list_filter = (LowStockFilter, "is_active")
    search_fields = ("number", "name")
    search_help_text = "Search by number or name"
    readonly_fields = ("state", "quantity_on_hand", "available", "places", "movements")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("number", "name"), ("unit", "unit_cost"), ("minimum_quantity", "is_active"),
                )
            },
        ),
        ("Stock", {"fields": (("state", "quantity_on_hand", "available"), "places")}),
        ("Movements", {"fields": ("movements",)}),
    )  # fmt: skip
    add_fieldsets = fieldsets[:1]
    list_before_template = "admin/maintenance/low_stock.html"
    change_form_outer_before_template = "admin/maintenance/part_links.html"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj is not None else self.add_fieldsets

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: Any = super().get_queryset(request)
        return rows.with_totals()  # type: ignore[no-any-return]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        count = low_stock_count(request.user)
        is_shown = request.GET.get("stock") == _LOW
        context = {"low_stock_count": count, "low_stock_shown": is_shown}
        return super().changelist_view(request, {**(extra_context or {}), **context})

    @admin.display(description="State")
    def state(self, part: Any) -> SafeString | str:
        if not part.is_active:
            return "Inactive"
        state = stock_state(part.on_hand, part.available, part.minimum_quantity)
        return badge("stock", state.value, state.label)

    @admin.display(description="On hand", ordering="on_hand")
    def quantity_on_hand(self, part: Any) -> str:
        return quantity_text(part.on_hand, part)

    @admin.display(description="Available", ordering="available")
    def available(self, part: Any) -> str:
        return quantity_text(part.available, part)

    @admin.display(description="Minimum", ordering="minimum_quantity")
    def minimum(self, part: Part) -> str:
        return quantity_text(part.minimum_quantity, part) if part.minimum_quantity else NOTHING

    @admin.display(description="Unit cost", ordering="unit_cost")
    def cost(self, part: Part) -> str:
        return NOTHING if part.unit_cost is None else format_number(float(part.unit_cost), 2)

    @admin.display(description="Places")
    def places(self, part: Part) -> SafeString | str:
        rows = format_html_join(
            "",
            '<li><div class="u-rows__main"><a class="u-rows__title" href="{}">{}, {}</a>'
            '<div class="u-rows__meta"><span>{} on hand</span><span>{} reserved</span></div></div>'
            "</li>",
            (
                (
                    reverse("admin:maintenance_partstock_change", args=[stock.pk]),
                    stock.facility.name,
                    stock.storage_location,
                    quantity_text(stock.quantity, part),
                    quantity_text(stock.reserved, part),
                )
                for stock in part_stocks(part)
            ),
        )
        if not rows:
            return "Kept nowhere yet. Add a place, then receive parts there."
        return format_html('<ul class="u-rows">{}</ul>', rows)

    @admin.display(description="Latest movements")
    def movements(self, part: Part) -> SafeString:
        return _movements_html(latest_movements(part=part), with_place=True)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        part = kwargs.get("obj")
        if part is not None and request.user.has_perm("maintenance.add_partstock"):
            page = reverse("admin:maintenance_partstock_add")
            context["add_place_url"] = f"{page}?{urlencode({'part': part.pk})}"
        return super().render_change_form(request, context, *args, **kwargs)

    def perform_create(self, request: HttpRequest, form: Any) -> Part:
        return part_create(
            organization_id=request_user(request).organization_id, **form.service_kwargs()
        )

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> Part:
        return part_update(obj, **form.service_kwargs())


class PartStockForm(ScopedModelForm):
    """Where a part is kept."""

    class Meta:
        model = PartStock
        fields = ("part", "facility", "storage_location")


@admin.register(PartStock)
class PartStockAdmin(OrganizationScopedAdmin[PartStock]):
    audit_resource = "part_stock"
    empty_text = "The places where parts are kept appear here."
    form = PartStockForm
    list_display = ("part", "facility", "storage_location", "on_hand", "held")
    list_filter = ("facility",)
    list_select_related = ("part", "facility")
    search_fields = ("part__number", "part__name", "storage_location")
    search_help_text = "Search by part or place"
    autocomplete_fields = ("part",)
    fieldsets = (
        (None, {"fields": ("part", ("facility", "storage_location"))}),
        ("Stock", {"fields": (("on_hand", "held"),)}),
        ("Movements", {"fields": ("movements",)}),
    )
    add_fieldsets = fieldsets[:1]
    change_form_outer_before_template = "admin/maintenance/stock_links.html"
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="receive",
            label="Receive",
            done="received",
            permission="change",
            icon="add_box",
            applies=lambda stock: stock.part.is_active,
            form_class=ReceiveForm,
            question="Receive {object}",
            run=_move(PartMovementKind.RECEIVE),
        ),
        ObjectAction(
            name="count",
            label="Count",
            done="counted",
            permission="change",
            icon="fact_check",
            form_class=CountForm,
            initial=lambda stock: {"quantity": stock.quantity.normalize()},
            question="Count {object}",
            run=_move(PartMovementKind.COUNT),
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj is not None else self.fieldsets[:1]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        shown = ("on_hand", "held", "movements")
        return shown if obj is None else (*shown, "part")

    @admin.display(description="On hand", ordering="quantity")
    def on_hand(self, stock: PartStock) -> str:
        return quantity_text(stock.quantity, stock.part)

    @admin.display(description="Reserved", ordering="reserved")
    def held(self, stock: PartStock) -> str:
        return quantity_text(stock.reserved, stock.part)

    @admin.display(description="Latest movements")
    def movements(self, stock: PartStock) -> SafeString:
        return _movements_html(latest_movements(stock=stock), with_place=False)

    def perform_create(self, request: HttpRequest, form: Any) -> PartStock:
        return part_stock_create(
            organization_id=request_user(request).organization_id, **form.service_kwargs()
        )

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> PartStock:
        return part_stock_update(obj, **form.service_kwargs())
