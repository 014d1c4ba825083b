"""Settings of the admin theme: titles and menu. Colours are in `theme.css`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy


def _has_permission(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


def _static_file(path: str) -> Callable[[HttpRequest], str]:
    return lambda _request: static(path)


def _own_organization(request: HttpRequest) -> str:
    """Return the address of the organization's settings, not of its one-row list."""
    return reverse(
        "admin:organizations_organization_change",
        args=[request.user.organization_id],  # type: ignore[union-attr]
    )


def _menu_item(
    title: str,
    icon: str,
    view: str | Callable[[HttpRequest], str],
    permission: str | None = None,
) -> dict[str, Any]:
    link = reverse_lazy(f"admin:{view}") if isinstance(view, str) else view
    item: dict[str, Any] = {"title": title, "icon": icon, "link": link}
    if callable(view):  # the theme marks the current page before it calls the function
        item["active"] = lambda request: request.path == view(request)
    if permission:
        item["permission"] = _has_permission(permission)
    return item


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "URFMP",
    "SITE_HEADER": "URFMP",
    "SITE_SUBHEADER": "Robot fleet",
    "SITE_URL": None,
    "SITE_ICON": _static_file("urfmp/img/logo.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": _static_file("urfmp/img/logo.svg")},
        {"rel": "apple-touch-icon", "href": _static_file("urfmp/img/icon-180.png")},
        {"rel": "manifest", "href": reverse_lazy("manifest")},
    ],
    "SHOW_HISTORY": _has_permission("audit.view_auditlog"),
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "STYLES": [
        _static_file("urfmp/css/theme.css"),
        _static_file("urfmp/css/urfmp.css"),
        _static_file("urfmp/css/alerts.css"),
    ],
    "SCRIPTS": [
        _static_file("urfmp/js/expressions.js"),
        _static_file("urfmp/js/format.js"),
        _static_file("urfmp/js/common.js"),
        _static_file("urfmp/js/web_app.js"),
    ],
    "ACCOUNT": {
        "navigation": [
            {"title": "Profile", "link": reverse_lazy("admin:profile_page")},
            {
                "title": "My notifications",
                "link": reverse_lazy("admin:own_notifications_page"),
            },
            {
                "title": "My sessions",
                "link": reverse_lazy("admin:own_sessions_page"),
            },
            {
                "title": "Two-step verification",
                "link": reverse_lazy("admin:second_factor"),
            },
        ],
    },
    "COMMAND": {"search_models": False, "show_history": False},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Fleet",
                "items": [
                    _menu_item("Home", "home", "index"),
                    _menu_item(
                        "Robots",
                        "precision_manufacturing",
                        "robots_robot_changelist",
                        "robots.view_robot",
                    ),
                    _menu_item(
                        "Fleet by facility",
                        "account_tree",
                        "fleet_tree_page",
                        "robots.view_robot",
                    ),
                    _menu_item("Floor maps", "map", "floor_maps_page", "robots.view_robot"),
                    _menu_item(
                        "Telemetry",
                        "monitoring",
                        "telemetry_page",
                        "telemetry.view_robottelemetry",
                    ),
                    _menu_item(
                        "Status history",
                        "timeline",
                        "status_history_page",
                        "robots.view_robotstatushistory",
                    ),
                    _menu_item(
                        "Commands",
                        "terminal",
                        "robots_robotcommand_changelist",
                        "robots.view_robotcommand",
                    ),
                ],
            },
            {
                "title": "Work",
                "separator": True,
                "items": [
                    _menu_item(
                        "My work",
                        "assignment_ind",
                        "my_work_page",
                        "maintenance.view_maintenancetask",
                    ),
                    _menu_item(
                        "Maintenance",
                        "build",
                        "maintenance_maintenancetask_changelist",
                        "maintenance.view_maintenancetask",
                    ),
                    _menu_item(
                        "Requests",
                        "inbox",
                        "maintenance_workrequest_changelist",
                        "maintenance.view_workrequest",
                    ),
                    _menu_item(
                        "Calendar",
                        "calendar_month",
                        "maintenance_calendar_page",
                        "maintenance.view_maintenancetask",
                    ),
                    _menu_item(
                        "Schedules",
                        "event_repeat",
                        "maintenance_maintenanceschedule_changelist",
                        "maintenance.view_maintenanceschedule",
                    ),
                    _menu_item(
                        "Templates",
                        "checklist",
                        "maintenance_tasktemplate_changelist",
                        "maintenance.view_tasktemplate",
                    ),
                    _menu_item(
                        "Parts",
                        "inventory_2",
                        "maintenance_part_changelist",
                        "maintenance.view_part",
                    ),
                    _menu_item(
                        "Figures",
                        "query_stats",
                        "maintenance_figures_page",
                        "maintenance.view_maintenancetask",
                    ),
                    _menu_item("Alerts", "notifications", "alert_inbox_page", "alerts.view_alert"),
                    _menu_item(
                        "Alert rules",
                        "rule",
                        "alerts_alertrule_changelist",
                        "alerts.view_alertrule",
                    ),
                    _menu_item(
                        "Silences",
                        "notifications_off",
                        "alerts_silence_changelist",
                        "alerts.view_silence",
                    ),
                ],
            },
            {
                "title": "Notifications",
                "separator": True,
                "items": [
                    _menu_item(
                        "Routes",
                        "alt_route",
                        "alerts_notificationroute_changelist",
                        "alerts.view_notificationroute",
                    ),
                    _menu_item(
                        "Channels",
                        "send",
                        "alerts_notificationchannel_changelist",
                        "alerts.view_notificationchannel",
                    ),
                    _menu_item(
                        "Deliveries",
                        "outbox",
                        "alerts_delivery_changelist",
                        "alerts.view_delivery",
                    ),
                ],
            },
            {
                "title": "Organization",
                "separator": True,
                "items": [
                    _menu_item(
                        "Organization",
                        "domain",
                        _own_organization,
                        "organizations.view_organization",
                    ),
                    _menu_item(
                        "Facilities",
                        "factory",
                        "organizations_facility_changelist",
                        "organizations.view_facility",
                    ),
                    _menu_item("Users", "group", "accounts_user_changelist", "accounts.view_user"),
                    _menu_item(
                        "Invitations",
                        "outgoing_mail",
                        "accounts_invitation_changelist",
                        "accounts.view_invitation",
                    ),
                    _menu_item(
                        "API keys", "key", "accounts_apikey_changelist", "accounts.view_apikey"
                    ),
                    _menu_item(
                        "All sessions",
                        "devices",
                        "accounts_usersession_changelist",
                        "accounts.view_usersession",
                    ),
                    _menu_item(
                        "Audit", "history", "audit_auditlog_changelist", "audit.view_auditlog"
                    ),
                    _menu_item("Storage", "database", "storage_page", "telemetry.view_storage"),
                ],
            },
            {
                "title": "Platform",
                "separator": True,
                "items": [
                    _menu_item(
                        "All organizations",
                        "corporate_fare",
                        "organizations_platformorganization_changelist",
                        "organizations.view_platformorganization",
                    ),
                ],
            },
        ],
    },
}
