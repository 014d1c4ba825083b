"""Templates of tasks in the admin."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.maintenance.choices import StepKind
from apps.maintenance.models import Part, TaskTemplate
from apps.maintenance.models.templates import MAX_SKILL_CHARS
from apps.maintenance.selectors.checklists import limits_text
from apps.maintenance.selectors.parts import quantity_text
from apps.maintenance.services.templates import (
    PartDraft,
    StepDraft,
    template_create,
    template_update,
)
from urfmp.common.admin import OrganizationScopedAdmin, ScopedModelForm, request_user
from urfmp.common.admin.row_fields import Column, Row, RowsField
from urfmp.common.rendering.formats import NOTHING, format_number

_MAX_SUGGESTED_PARTS = 500
_REQUIRED = "required"
_STEP_COLUMNS = (
    Column("title", "Check or entry", size="wide"),
    Column("kind", "Kind", StepKind.choices, StepKind.PASS_FAIL),
    Column("unit", "Unit", size="narrow"),
    Column("minimum", "From", kind="decimal", size="narrow"),
    Column("maximum", "To", kind="decimal", size="narrow"),
    Column("need", "Need", [(_REQUIRED, "Required"), ("optional", "Optional")], _REQUIRED),
)
_STEPS_HELP = (
    "From and To are the limits of a number: outside them, the step fails. A task cannot be"
    " completed before its required steps are recorded."
)


def _part_columns(parts: Any) -> tuple[Column, ...]:
    return (
        Column("part", "Part number", size="wide", suggestions=tuple(parts)),
        Column("quantity", "Quantity", default="1", kind="decimal", size="narrow"),
    )


def _plain(number: Decimal | None) -> str:
    """Return a number for an input."""
    if number is None:
        return ""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class TemplateForm(ScopedModelForm):
    """A template with the rows of its checklist and of its parts."""

    skills = SimpleArrayField(
        forms.CharField(max_length=MAX_SKILL_CHARS),
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="What the technician must be trained for, separated by commas.",
    )
    steps = RowsField(_STEP_COLUMNS, "step", label="Checklist", help_text=_STEPS_HELP)
    parts = RowsField(
        _part_columns(()), "part", label="Parts", help_text="Parts that the work usually needs."
    )

    class Meta:
        model = TaskTemplate
        fields = (
            "title", "type", "priority", "description", "estimated_duration", "skills",
            "is_active",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Show the rows of the template, and suggest parts."""
        super().__init__(*args, **kwargs)
        if "parts" not in self.fields:  # the user may only read
            return
        parts = Part.objects.restrict(self.request.user).filter(is_active=True)
        known = parts.values_list("number", "name")[:_MAX_SUGGESTED_PARTS]
        widget: Any = self.fields["parts"].widget
        widget.columns = _part_columns(known)
        if not self.is_new:
            self.initial["steps"] = [_step_row(step) for step in self.instance.steps.all()]
            rows = self.instance.parts.select_related("part")
            self.initial["parts"] = [
                {"part": row.part.number, "quantity": _plain(row.quantity)} for row in rows
            ]

    def clean_steps(self) -> list[StepDraft]:
        """Return the steps.

        Raises:
            ValidationError: A limit is not a number.
        """
        return [_step_draft(row, n) for n, row in enumerate(self.cleaned_data["steps"], start=1)]

    def clean_parts(self) -> list[PartDraft]:
        """Return the parts that the rows name by their numbers.

        Raises:
            ValidationError: A part does not exist, or a quantity is not a number.
        """
        rows = self.cleaned_data["parts"]
        parts = Part.objects.restrict(self.request.user)
        found = {part.number: part for part in parts.filter(number__in=[r["part"] for r in rows])}
        drafts = []
        for number, row in enumerate(rows, start=1):
            if row["part"] not in found:
                msg = (
                    f"Part {number}: there is no part {row['part'][:100]}. Select one of the list."
                )
                raise ValidationError(msg)
            quantity = _number(row["quantity"], f"Part {number}: enter the quantity as a number.")
            drafts.append(PartDraft(found[row["part"]], quantity or Decimal(0)))
        return drafts

    def service_kwargs(self) -> dict[str, Any]:
        """Add the rows, if they were changed."""
        rows = {
            name: self.cleaned_data[name]
            for name in ("steps", "parts")
            if self.is_new or name in self.changed_data
        }
        return {**super().service_kwargs(), **rows}


def _step_row(step: Any) -> Row:
    return {
        "title": step.title,
        "kind": step.kind,
        "unit": step.unit or "",
        "minimum": _plain(step.minimum),
        "maximum": _plain(step.maximum),
        "need": _REQUIRED if step.is_required else "optional",
    }


def _step_draft(row: Mapping[str, str], number: int) -> StepDraft:
    message = f"Step {number}: enter the limits as numbers."
    return StepDraft(
        title=row["title"],
        kind=row["kind"],
        unit=row["unit"] or None,
        minimum=_number(row["minimum"], message),
        maximum=_number(row["maximum"], message),
        is_required=row["need"] == _REQUIRED,
    )


def _facts(step: Any) -> str:
    need = "" if step.is_required else "optional"
    return ", ".join(filter(None, (step.get_kind_display().lower(), limits_text(step), need)))


def _number(text: str, message: str) -> Decimal | None:
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValidationError(message) from error
    if not number.is_finite():
        raise ValidationError(message)
    return number


@admin.register(TaskTemplate)
class TaskTemplateAdmin(OrganizationScopedAdmin[TaskTemplate]):
    audit_resource = "task_template"
    empty_text = "Checklists, parts and durations of work that you repeat appear here."
    form = TemplateForm
    list_display = ("title", "type", "step_count", "duration", "is_active")
    list_filter = ("is_active", "type")
    # The count of steps groups the rows, which drops the model's own order.
    ordering = ("title", "id")
    search_fields = ("title",)
    search_help_text = "Search by title"
    change_form_outer_before_template = "admin/maintenance/template_links.html"
    fieldsets: ClassVar[Any] = (
        (
            None,
            {
                "fields": (
                    "title", ("type", "priority"), "description",
                    ("estimated_duration", "is_active"), "skills",
                )
            },
        ),
        ("Checklist", {"fields": ("steps",)}),
        ("Parts", {"fields": ("parts",)}),
    )  # fmt: skip
    readers_fieldsets: ClassVar[Any] = (
        fieldsets[0],
        ("Checklist", {"fields": ("checklist",)}),
        ("Parts", {"fields": ("needed_parts",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).annotate(steps_total=Count("steps"))
        return rows

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        may_write = self.has_change_permission(request, obj) if obj else True
        return self.fieldsets if may_write else self.readers_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        may_write = self.has_change_permission(request, obj) if obj else True
        return () if may_write else ("checklist", "needed_parts")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        template = kwargs.get("obj")
        if (
            template is not None
            and template.is_active
            and request.user.has_perm("maintenance.add_maintenancetask")
        ):
            page = reverse("admin:maintenance_maintenancetask_add")
            values = {
                "template": template.pk,
                "title": template.title,
                "type": template.type,
                "priority": template.priority,
                "description": template.description or "",
                "estimated_duration": template.estimated_duration or "",
            }
            query = urlencode({name: value for name, value in values.items() if value != ""})
            context["add_task_url"] = f"{page}?{query}"
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="Steps", ordering="steps_total")
    def step_count(self, template: Any) -> str:
        return format_number(template.steps_total)

    @admin.display(description="Duration", ordering="estimated_duration")
    def duration(self, template: TaskTemplate) -> str:
        minutes = template.estimated_duration
        return NOTHING if minutes is None else f"{format_number(minutes)} min"

    @admin.display(description="Checklist")
    def checklist(self, template: TaskTemplate) -> SafeString | str:
        rows = format_html_join(
            "",
            "<li>{}: {}</li>",
            ((step.title, _facts(step)) for step in template.steps.all()),
        )
        return format_html('<ol class="u-usage">{}</ol>', rows) if rows else NOTHING

    @admin.display(description="Parts")
    def needed_parts(self, template: TaskTemplate) -> SafeString | str:
        rows = template.parts.select_related("part")
        texts = ((f"{row.part}: {quantity_text(row.quantity, row.part)}",) for row in rows)
        return format_html_join("", "<div>{}</div>", texts) or NOTHING

    def perform_create(self, request: HttpRequest, form: Any) -> TaskTemplate:
        return template_create(
            organization_id=request_user(request).organization_id, **form.service_kwargs()
        )

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> TaskTemplate:
        return template_update(obj, **form.service_kwargs())
