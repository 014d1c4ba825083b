"""Alert rules in the admin."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from apps.alerts.admin.rule_form import AlertRuleForm
from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.rules import ORGANIZATION_KINDS, RuleState
from apps.alerts.models import AlertRule
from apps.alerts.protocols.condition_sentences import condition_sentence
from apps.alerts.protocols.conditions import parse_condition
from apps.alerts.selectors.rules import active_states, firing_robot_count
from apps.alerts.services.rules.preview import RobotPreview, RulePreview, rule_preview
from apps.alerts.services.rules.rules import (
    alert_rule_create,
    alert_rule_delete,
    alert_rule_update,
    built_in_rules_add,
)
from urfmp.common.admin import (
    AutocompleteFilter,
    ObjectAction,
    OrganizationScopedAdmin,
    request_user,
)
from urfmp.common.admin.forms import error_messages
from urfmp.common.rendering.formats import NOTHING, format_number
from urfmp.common.rendering.html import badge, clipped, relative_time_html

_STRIP_WIDTH = 1000
# The script of the form hides this sentence, and the fields that it is about.
_WITHOUT_SCRIPT = format_html(
    '<span class="u-muted" data-without-script>{}</span>',
    "Fields that belong to another kind of rule are ignored.",
)


@admin.register(AlertRule)
class AlertRuleAdmin(OrganizationScopedAdmin[AlertRule]):
    audit_resource = "alert_rule"
    empty_text = "Rules that open alerts, such as for a temperature that is too high, appear here."
    form = AlertRuleForm
    list_display = ("name", "robots", "sentence", "severity_badge", "is_enabled", "firing")
    list_filter = ("kind", "severity", "scope", "is_enabled", ("robot", AutocompleteFilter))
    search_fields = ("name",)
    search_help_text = "Search by name"
    list_select_related = ("robot",)
    autocomplete_fields = ("robot",)
    readonly_fields = ("states",)
    fieldsets = (
        (None, {"fields": ("name", ("severity", "is_enabled"))}),
        ("Robots", {"fields": ("scope", ("facility", "model"), "robot")}),
        (
            "Condition",
            {
                "fields": (
                    "kind", "statuses", "outcomes", "events", ("count", "within_seconds"),
                    ("system_measure", "threshold_seconds"),
                    ("metric", "measure"), ("comparison", "threshold"), ("clear", "seconds"),
                    ("for_seconds", "keep_firing_seconds"), ("no_data", "no_data_seconds"),
                ),
                "description": _WITHOUT_SCRIPT,
            },
        ),
        (
            "Second comparison",
            {
                "fields": (
                    "match", ("second_metric", "second_measure"),
                    ("second_comparison", "second_threshold"), ("second_clear", "second_seconds"),
                ),
                "classes": ("collapse",),
            },
        ),
        (
            "Severity, hours and late points",
            {
                "fields": (
                    "step_severity", ("step_after_seconds", "step_value"), "days",
                    ("start", "end"), ("grace_seconds", "reopen_seconds"),
                ),
                "classes": ("collapse",),
            },
        ),
        ("Now", {"fields": ("states",)}),
    )  # fmt: skip
    add_fieldsets = fieldsets[:-1]
    list_before_template = "admin/alerts/built_in_rules.html"
    change_form_after_template = "admin/alerts/rule_preview_button.html"
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="enable",
            label="Enable",
            done="enabled",
            permission="change",
            icon="notifications_active",
            applies=lambda rule: not rule.is_enabled,
            run=lambda _request, rule, _values: alert_rule_update(rule, is_enabled=True),
        ),
        ObjectAction(
            name="disable",
            label="Disable",
            done="disabled",
            permission="change",
            icon="notifications_off",
            applies=lambda rule: rule.is_enabled,
            run=lambda _request, rule, _values: alert_rule_update(rule, is_enabled=False),
            consequences="Its open alerts are resolved.",
        ),
    )

    class Media:
        js = ("urfmp/js/rule_form.js",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.add_fieldsets if obj is None else self.fieldsets

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"{name}/",
                self.admin_site.admin_view(require_POST(view)),
                name=f"alerts_alertrule_{name.replace('-', '_')}",
            )
            for name, view in (
                ("preview", self.preview_view),
                ("add-built-in", self.add_built_in_view),
            )
        ]
        return [*own, *super().get_urls()]

    def add_built_in_view(self, request: HttpRequest) -> HttpResponse:
        """Create the rules that the vendors' profiles propose."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        added = built_in_rules_add(organization_id=request_user(request).organization_id)
        if added:
            names = ", ".join(str(rule) for rule in added)
            self.message_user(request, f"Added: {names}.", messages.SUCCESS)
        else:
            text = "All built-in rules for the vendors of your robots exist already."
            self.message_user(request, text, messages.INFO)
        return HttpResponseRedirect(reverse("admin:alerts_alertrule_changelist"))

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Show when the rule that the form describes would have fired."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = self.get_form(request)(request.POST)
        preview, errors = None, []
        if form.is_valid():
            try:
                preview = rule_preview(
                    organization_id=request_user(request).organization_id,
                    principal=request.user,
                    **form.service_kwargs(),
                )
            except ValidationError as error:
                errors = error_messages(error)
        else:
            labels = {name: str(form.fields[name].label or name) for name in form.fields}
            errors = [
                f"{labels.get(name, 'Form')}: {text}"
                for name, texts in form.errors.items()
                for text in texts
            ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Rule tried on the last 7 days",
            "opts": self.opts,
            "preview": preview,
            "errors": errors,
            "strips": [_strip(preview, robot) for robot in preview.robots] if preview else [],
            "strip_width": _STRIP_WIDTH,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/alerts/rule_preview.html", context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.annotate(firing_robots=firing_robot_count())  # type: ignore[no-any-return]

    @admin.display(description="Robots", ordering="scope")
    def robots(self, rule: AlertRule) -> SafeString | str:
        return clipped(rule.scope_label)

    @admin.display(description="Condition")
    def sentence(self, rule: AlertRule) -> SafeString | str:
        condition = parse_condition(rule.kind, rule.severity, rule.condition)
        return clipped(condition_sentence(condition, rule.kind))

    @admin.display(description="Severity", ordering="severity")
    def severity_badge(self, rule: AlertRule) -> SafeString:
        return badge("severity", rule.severity, AlertSeverity(rule.severity).label)

    @admin.display(description="Firing")
    def firing(self, rule: Any) -> str:
        count = rule.firing_robots
        if count and rule.kind in ORGANIZATION_KINDS:
            return "Yes"
        return f"{format_number(count)} robot{'' if count == 1 else 's'}" if count else NOTHING

    @admin.display(description="What is not normal")
    def states(self, rule: AlertRule) -> SafeString | str:
        found = active_states(rule)
        if not found:
            return "The rule is normal."
        rows = format_html_join(
            "",
            '<li><div class="u-rows__main"><a class="u-link" href="{}">{}</a>'
            '<div class="u-rows__meta">{}{}<span>{}</span></div></div></li>',
            (
                (
                    reverse("admin:robot_page", args=[state.robot_id])
                    if state.robot_id
                    else reverse("admin:alerts_alert_changelist"),
                    state.robot or "The organization",
                    badge("rule", state.state, RuleState(state.state).label),
                    relative_time_html(state.since),
                    state.error_message or _value_text(state.value),
                )
                for state in found
            ),
        )
        return format_html('<ul class="u-rows">{}</ul>', rows)

    def perform_create(self, request: HttpRequest, form: Any) -> AlertRule:
        return alert_rule_create(
            organization_id=request_user(request).organization_id, **form.service_kwargs()
        )

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> AlertRule:
        return alert_rule_update(obj, **form.service_kwargs())

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        alert_rule_delete(obj)


def _value_text(value: float | None) -> str:
    return "" if value is None else f"value {value:g}"


def _strip(preview: RulePreview, robot: RobotPreview) -> dict[str, Any]:
    """Return a robot's episodes as a path across the strip."""
    length = (preview.end - preview.start).total_seconds() or 1.0
    parts = []
    for start, end in robot.episodes:
        left = (start - preview.start).total_seconds() / length * _STRIP_WIDTH
        right = ((end or preview.end) - preview.start).total_seconds() / length * _STRIP_WIDTH
        parts.append(f"M{left:.1f} 0H{max(right, left + 2):.1f}")
    count = len(robot.episodes)
    return {
        "robot": robot.robot,
        "count": count,
        "path": "".join(parts),
        "text": f"fires {count} time{'' if count == 1 else 's'}",
    }
