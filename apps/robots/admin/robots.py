"""Robots in the admin."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET
from unfold.contrib.filters.admin import DropdownFilter

from apps.robots.admin.catalogue import fill_from_catalogue, show_notes
from apps.robots.admin.connection_secrets import (
    REPLACE_SECRETS,
    REVEAL_SECRET,
    replaced_text,
    secret_names,
)
from apps.robots.admin.lifecycle import (
    LIFECYCLE_ACTIONS,
    MAINTENANCE_LOCK_ACTIONS,
    PURGE_ACTION,
)
from apps.robots.admin.list_marks import list_marks
from apps.robots.admin.place_filters import AreaFilter, CellFilter, FacilityFilter
from apps.robots.admin.robot_form import RobotForm
from apps.robots.admin.stop_links import with_stop_column
from apps.robots.choices import RobotAction, Vendor, allows
from apps.robots.models import Robot
from apps.robots.protocols.fleet_files.writers import FORMATS
from apps.robots.selectors.connection import secret_times
from apps.robots.services.exports import robots_export
from apps.robots.services.robots import (
    robot_register,
    robot_retire,
    robot_return_to_service,
    robot_update,
)
from urfmp.common.admin import (
    ObjectAction,
    OrganizationScopedAdmin,
    ScopedChangeList,
    request_user,
    restricted,
)
from urfmp.common.export_slots import TooManyExportsError
from urfmp.common.http.downloads import DownloadResponse
from urfmp.common.rendering.formats import NOTHING
from urfmp.common.rendering.html import badge, clipped, relative_time_html


class VendorFilter(DropdownFilter):
    """Filter robots by vendor."""

    title = "vendor"
    parameter_name = "vendor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        used = restricted(Robot, request).order_by("vendor").values_list("vendor", flat=True)
        names = dict(Vendor.choices)
        return [(vendor, names.get(vendor, vendor)) for vendor in used.distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(vendor=self.value()) if self.value() else queryset


# Robots that get a command at once; their ids are in the address of its form.
_MAX_COMMANDED = 50
_MAX_LABELS = 100


class RobotChangeList(ScopedChangeList):
    """List whose rows link to the robot's page instead of its form."""

    def url_for_result(self, result: Any) -> str:
        return reverse("admin:robot_page", args=[result.pk])

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows and their marks."""
        super().get_results(request)
        marks = list_marks(request.user, [robot.pk for robot in self.result_list])
        for robot in self.result_list:
            robot.list_marks = marks.get(robot.pk, [])


def _can_retire(robot: Robot) -> bool:
    return allows(RobotAction.RETIRE, robot.service_state)


def _can_return_to_service(robot: Robot) -> bool:
    return allows(RobotAction.RETURN_TO_SERVICE, robot.service_state)


@admin.register(Robot)
class RobotAdmin(OrganizationScopedAdmin[Robot]):
    audit_resource = "robot"
    empty_text = "Registered robots appear here, with their status and location."
    form = RobotForm
    list_display = (
        "name",
        "status_badge",
        "marks",
        "vendor_name",
        "model",
        "location_label",
        "last_seen_ago",
        "serial_number",
    )
    list_filter = (
        "status", FacilityFilter, AreaFilter, CellFilter, VendorFilter, "lifecycle", "is_active",
    )  # fmt: skip
    search_fields = ("name", "serial_number", "model")
    search_help_text = "Search by name, serial number or model"
    ordering = ("name", "id")
    # For users who may view robots but not change them.
    view_only_fields = (
        "name",
        "status_badge",
        "lifecycle",
        "vendor_name",
        "model",
        "serial_number",
        "location_label",
    )
    fieldsets = (
        (None, {"fields": (("name", "lifecycle"), ("vendor", "model"))}),
        ("Identity", {"fields": (("serial_number", "firmware_version"),)}),
        (
            "Location",
            {
                "fields": (
                    "facility",
                    ("area", "cell"),
                    ("x_m", "y_m"),
                    ("heading", "map_id"),
                    ("latitude", "longitude"),
                )
            },
        ),
        (
            "Configuration",
            {"fields": (("axes", "payload", "reach"), "capabilities", "custom_settings")},
        ),
        (
            "Connection",
            {
                "fields": (
                    ("protocol", "host"),
                    ("port", "path"),
                    ("username", "use_tls"),
                    "connection_settings",
                    "connection_secrets",
                )
            },
        ),
        ("Presence", {"fields": ("offline_after_seconds",)}),
    )
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        *LIFECYCLE_ACTIONS,
        *MAINTENANCE_LOCK_ACTIONS,
        ObjectAction(
            name="retire",
            label="Retire",
            done="retired",
            permission="delete",
            icon="archive",
            applies=_can_retire,
            run=lambda _request, robot, _values: robot_retire(robot),
            consequences="Its open alerts are resolved, and planned tasks and waiting commands are"
            " cancelled; tasks in progress stay open. Its API keys stop working.",
            keep_label="Keep in service",
            is_danger=True,
        ),
        ObjectAction(
            name="return_to_service",
            label="Return to service",
            done="returned to service",
            permission="change",
            icon="unarchive",
            question="Return {object} to service?",
            applies=_can_return_to_service,
            run=lambda _request, robot, _values: robot_return_to_service(robot),
        ),
        REPLACE_SECRETS,
        REVEAL_SECRET,
        PURGE_ACTION,
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.fieldsets
        if self.has_change_permission(request, obj):
            # The lifecycle of a registered robot changes by actions.
            return ((None, {"fields": ("name", ("vendor", "model"))}), *self.fieldsets[1:])
        return ((None, {"fields": self.view_only_fields}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None or self.has_change_permission(request, obj):
            return ("connection_secrets",)
        return self.view_only_fields

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        columns = super().get_list_display(request)
        return with_stop_column(request, columns, lambda robot: robot)

    actions = ("send_command", "edit_selected", "print_labels")
    list_before_template = "admin/robots/as_of.html"
    change_form_outer_before_template = "admin/robots/robot/frame.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the export of the filtered list."""
        view = self.admin_site.admin_view(require_GET(self.export_view))
        own = path("export/<slug:kind>/", view, name="robots_robot_export")
        return [own, *super().get_urls()]

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """Return the filtered robots as a file; the export is audited."""
        if kind not in FORMATS:
            raise Http404
        if not self.has_view_permission(request):
            raise PermissionDenied
        address = reverse("admin:robots_robot_changelist")
        try:
            robots = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"{address}?e=1")
        try:
            export = robots_export(
                robots.select_related(None),
                organization_id=request_user(request).organization_id,
                kind=kind,
                filters={name: value for name, value in request.GET.items() if value},
            )
        except TooManyExportsError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(f"{address}?{request.GET.urlencode()}")
        return DownloadResponse(
            export.content, content_type=export.content_type, file_name=export.file_name
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        query = request.GET.urlencode()
        exports = [
            (f"{reverse('admin:robots_robot_export', args=[kind])}?{query}", kind.upper())
            for kind in FORMATS
        ]
        context = {**(extra_context or {}), "as_of": timezone.now(), "exports": exports}
        return super().changelist_view(request, context)

    def has_command_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("robots.add_robotcommand"))

    @admin.action(description="Send command…", permissions=["command"])
    def send_command(self, request: HttpRequest, selected: QuerySet[Any]) -> HttpResponse | None:
        keys = list(selected.in_service().values_list("pk", flat=True)[: _MAX_COMMANDED + 1])  # type: ignore[attr-defined]
        if not keys:
            self.message_user(request, "Select robots that are in service.", messages.WARNING)
            return None
        if len(keys) > _MAX_COMMANDED:
            text = f"Select at most {_MAX_COMMANDED} robots for one command."
            self.message_user(request, text, messages.WARNING)
            return None
        query = urlencode([("robot", key) for key in keys])
        return HttpResponseRedirect(f"{reverse('admin:commands_page')}?{query}")

    @admin.action(description="Change values…", permissions=["change"])
    def edit_selected(self, request: HttpRequest, selected: QuerySet[Any]) -> HttpResponse | None:
        if request.POST.get("select_across") == "1":
            text = "Select robots of one page of the list. An import changes more at once."
            self.message_user(request, text, messages.WARNING)
            return None
        # The page gets the selection, which is in the body of this request.
        return HttpResponseRedirect(reverse("admin:robots_edit_page"), preserve_request=True)

    @admin.action(description="Print labels…", permissions=["view"])
    def print_labels(self, request: HttpRequest, selected: QuerySet[Any]) -> HttpResponse | None:
        keys = list(selected.values_list("pk", flat=True)[: _MAX_LABELS + 1])
        if len(keys) > _MAX_LABELS:
            text = f"Select at most {_MAX_LABELS} robots for one sheet of labels."
            self.message_user(request, text, messages.WARNING)
            return None
        query = urlencode([("robot", key) for key in keys])
        return HttpResponseRedirect(f"{reverse('admin:robot_labels_page')}?{query}")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RobotChangeList]:
        return RobotChangeList

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        """Offer to connect the new robot."""
        response = super().response_add(request, obj, post_url_continue)
        is_next = "_continue" in request.POST or "_addanother" in request.POST
        if is_next or not request.user.has_perm("robots.claim_robot"):
            return response
        return HttpResponseRedirect(reverse("admin:robot_claim_page", args=[obj.pk]))

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        response = super().response_change(request, obj)
        if "_continue" in request.POST or "_addanother" in request.POST:
            return response  # type: ignore[no-any-return]
        return HttpResponseRedirect(reverse("admin:robot_page", args=[obj.pk]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (robot := kwargs.get("obj")) is not None:
            context["overview_address"] = reverse("admin:robot_page", args=[robot.pk])
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="Status", ordering="status")
    def status_badge(self, robot: Robot) -> SafeString:
        if not robot.is_active:
            return badge("status", "retired", "Retired")
        return badge("status", robot.status, robot.get_status_display())

    @admin.display(description="Alerts")
    def marks(self, robot: Robot) -> SafeString:
        found: list[SafeString] = getattr(robot, "list_marks", [])
        marks = format_html_join(" ", "{}", ((mark,) for mark in found))
        return format_html('<span data-marks data-robot-id="{}">{}</span>', robot.pk, marks)

    @admin.display(description="Vendor", ordering="vendor")
    def vendor_name(self, robot: Robot) -> SafeString | str:
        return clipped(robot.vendor_label)

    @admin.display(description="Location")
    def location_label(self, robot: Robot) -> SafeString | str:
        location = robot.location or {}
        names = [location.get(name) for name in ("facility", "cell")]
        return clipped(" · ".join(str(name) for name in names if name) or NOTHING)

    @admin.display(description="Last seen", ordering="last_seen")
    def last_seen_ago(self, robot: Robot) -> SafeString | str:
        return format_html(
            '<span data-seen data-robot-id="{}">{}</span>',
            robot.pk,
            relative_time_html(robot.last_seen),
        )

    @admin.display(description="Secrets")
    def connection_secrets(self, robot: Robot) -> SafeString | str:
        if robot.connection_config is None:
            return "Enter the connection and save. Then set its secrets here."
        times = secret_times(robot.connection_config)
        lines = format_html_join(
            "",
            "<div>{}: {}</div>",
            ((name.label, replaced_text(times.get(name))) for name in secret_names(robot)),
        )
        url = self.action_url(robot, REPLACE_SECRETS.name)
        return format_html('{}<a class="u-more" href="{}">{}</a>', lines, url, "Set secrets")

    def perform_create(self, request: HttpRequest, form: Any) -> Robot:
        values = form.service_kwargs()
        notes = fill_from_catalogue(form, values)
        robot = robot_register(organization_id=request_user(request).organization_id, **values)
        show_notes(request, notes)
        return robot

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> Robot:
        values = form.service_kwargs()
        is_chosen = not {"vendor", "model"}.isdisjoint(form.changed_data)
        notes = fill_from_catalogue(form, values, obj) if is_chosen else []
        robot = robot_update(obj, **values)
        show_notes(request, notes)
        return robot
