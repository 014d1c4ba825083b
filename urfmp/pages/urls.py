"""URLs of pages without a model, inside the namespace of the admin."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path

from urfmp.common.http.view_policy import view_policy
from urfmp.pages.decorators import reject_nul
from urfmp.pages.views.alerts.counts import alert_counts_part
from urfmp.pages.views.alerts.figures import alert_figures_page
from urfmp.pages.views.alerts.inbox import alert_inbox_page
from urfmp.pages.views.commands.control import robot_control_page
from urfmp.pages.views.commands.create import commands_page, robot_command_page
from urfmp.pages.views.commands.stop import place_stop_page, robot_stop_page
from urfmp.pages.views.fleet_tree import fleet_tree_page
from urfmp.pages.views.floor_map.maps import (
    floor_map_page,
    floor_map_robots,
    floor_maps_page,
)
from urfmp.pages.views.floor_map.plans import floor_plan_page, floor_plan_picture
from urfmp.pages.views.invitation import accept_invitation
from urfmp.pages.views.login import login_code_page
from urfmp.pages.views.maintenance.calendar import calendar_page
from urfmp.pages.views.maintenance.feed import calendar_feed
from urfmp.pages.views.maintenance.figures import figures_page
from urfmp.pages.views.maintenance.move import task_move_page
from urfmp.pages.views.maintenance.my_work import my_work_page
from urfmp.pages.views.maintenance.work import task_file_page, task_work_page
from urfmp.pages.views.notifications.acknowledge import acknowledge_alerts
from urfmp.pages.views.notifications.own import own_notifications_page
from urfmp.pages.views.own_sessions import own_sessions_page
from urfmp.pages.views.password_reset import password_reset_confirm, password_reset_request
from urfmp.pages.views.platform import leave_organization
from urfmp.pages.views.profile import profile_page
from urfmp.pages.views.robot.bulk_edit import robots_edit_page
from urfmp.pages.views.robot.claim import robot_claim_page, robot_client_file
from urfmp.pages.views.robot.imports import robot_import_page, robot_imports_page
from urfmp.pages.views.robot.labels import robot_labels_page
from urfmp.pages.views.robot.page import robot_page
from urfmp.pages.views.robot.report import robot_report_page
from urfmp.pages.views.robot.scanned import robot_scanned_page
from urfmp.pages.views.second_factor import second_factor_page
from urfmp.pages.views.status_history import status_history_page
from urfmp.pages.views.storage import storage_page
from urfmp.pages.views.task_parts import task_parts_page
from urfmp.pages.views.telemetry.charts import telemetry_page
from urfmp.pages.views.telemetry.corrections import telemetry_correction_page
from urfmp.pages.views.telemetry.export import telemetry_export_page
from urfmp.pages.views.telemetry.imports import telemetry_import_page, telemetry_imports_page
from urfmp.pages.views.web_app.service_worker import csrf_token


def page_urls(site: Any) -> list[URLPattern]:
    """Return the URL patterns. Only public pages work without a login."""

    def public(view: Any) -> Any:
        return view_policy(public=True)(reject_nul(view))

    own_second_factor = view_policy(home_organization=True, allow_without_second_factor=True)
    return [
        path("forgot-password/", public(password_reset_request), name="forgot_password"),
        path("sign-in-code/", public(login_code_page), name="sign_in_code"),
        path(
            "second-factor/",
            own_second_factor(site.admin_view(second_factor_page)),
            name="second_factor",
        ),
        path("choose-password/", public(password_reset_confirm), name="choose_password"),
        path("accept-invitation/", public(accept_invitation), name="accept_invitation"),
        path("acknowledge/", public(acknowledge_alerts), name="acknowledge_alerts"),
        path("calendar-feed/", public(calendar_feed), name="calendar_feed"),
        path("platform/leave/", site.admin_view(leave_organization), name="leave_organization"),
        path("csrf-token/", site.admin_view(csrf_token), name="csrf_token"),
        path("profile/", site.admin_view(profile_page), name="profile_page"),
        path(
            "own-notifications/",
            site.admin_view(own_notifications_page),
            name="own_notifications_page",
        ),
        path("own-sessions/", site.admin_view(own_sessions_page), name="own_sessions_page"),
        # With or without a login: the label decides.
        path("label/<uuid:robot_id>/", reject_nul(robot_scanned_page), name="robot_scanned_page"),
        path("robots/robot/<uuid:robot_id>/", site.admin_view(robot_page), name="robot_page"),
        path(
            "robots/robot/<uuid:robot_id>/command/",
            site.admin_view(robot_command_page),
            name="robot_command_page",
        ),
        path(
            "robots/robot/<uuid:robot_id>/stop/",
            site.admin_view(robot_stop_page),
            name="robot_stop_page",
        ),
        path(
            "robots/robot/<uuid:robot_id>/control/",
            site.admin_view(robot_control_page),
            name="robot_control_page",
        ),
        path(
            "robots/robot/<uuid:robot_id>/connect/",
            site.admin_view(robot_claim_page),
            name="robot_claim_page",
        ),
        path("robots/client.py", public(robot_client_file), name="robot_client_file"),
        path("robots/imports/", site.admin_view(robot_imports_page), name="robot_imports_page"),
        path(
            "robots/imports/<uuid:import_id>/",
            site.admin_view(robot_import_page),
            name="robot_import_page",
        ),
        path("robots/edit/", site.admin_view(robots_edit_page), name="robots_edit_page"),
        path("robots/labels/", site.admin_view(robot_labels_page), name="robot_labels_page"),
        path("robots/stop/", site.admin_view(place_stop_page), name="place_stop_page"),
        path("robots/commands/", site.admin_view(commands_page), name="commands_page"),
        path(
            "robots/robot/<uuid:robot_id>/report/",
            site.admin_view(robot_report_page),
            name="robot_report_page",
        ),
        path("fleet/", site.admin_view(fleet_tree_page), name="fleet_tree_page"),
        path("floor-maps/", site.admin_view(floor_maps_page), name="floor_maps_page"),
        path(
            "floor-maps/<uuid:facility_id>/",
            site.admin_view(floor_map_page),
            name="floor_map_page",
        ),
        path(
            "floor-maps/<uuid:facility_id>/robots/",
            site.admin_view(floor_map_robots),
            name="floor_map_robots",
        ),
        path(
            "floor-maps/<uuid:facility_id>/plan/",
            site.admin_view(floor_plan_page),
            name="floor_plan_page",
        ),
        path(
            "floor-maps/<uuid:facility_id>/plan/picture/",
            site.admin_view(floor_plan_picture, cacheable=True),
            name="floor_plan_picture",
        ),
        path("my-work/", site.admin_view(my_work_page), name="my_work_page"),
        path(
            "maintenance/calendar/",
            site.admin_view(calendar_page),
            name="maintenance_calendar_page",
        ),
        path(
            "maintenance/figures/", site.admin_view(figures_page), name="maintenance_figures_page"
        ),
        path(
            "maintenance/calendar/<uuid:task_id>/move/",
            site.admin_view(task_move_page),
            name="task_move_page",
        ),
        path(
            "maintenance/tasks/<uuid:task_id>/parts/",
            site.admin_view(task_parts_page),
            name="task_parts_page",
        ),
        path(
            "maintenance/tasks/<uuid:task_id>/work/",
            site.admin_view(task_work_page),
            name="task_work_page",
        ),
        path(
            "maintenance/files/<uuid:file_id>/",
            site.admin_view(task_file_page),
            name="task_file_page",
        ),
        path("alert-inbox/", site.admin_view(alert_inbox_page), name="alert_inbox_page"),
        path("alert-figures/", site.admin_view(alert_figures_page), name="alert_figures_page"),
        path("alert-counts/", site.admin_view(alert_counts_part), name="alert_counts_part"),
        path("telemetry/", site.admin_view(telemetry_page), name="telemetry_page"),
        path(
            "telemetry/export/",
            site.admin_view(telemetry_export_page),
            name="telemetry_export_page",
        ),
        path(
            "telemetry/corrections/",
            site.admin_view(telemetry_correction_page),
            name="telemetry_correction_page",
        ),
        path(
            "telemetry/imports/",
            site.admin_view(telemetry_imports_page),
            name="telemetry_imports_page",
        ),
        path(
            "telemetry/imports/<uuid:import_id>/",
            site.admin_view(telemetry_import_page),
            name="telemetry_import_page",
        ),
        path("storage/", site.admin_view(storage_page), name="storage_page"),
        path("status-history/", site.admin_view(status_history_page), name="status_history_page"),
    ]
