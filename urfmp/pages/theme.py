"""The admin theme's settings: names, and what the side bar leads to. Colours are in theme.css."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


def _file(path: str) -> Callable[[HttpRequest], str]:
    return lambda _request: static(path)


def _item(title: str, icon: str, view: str, permission: str | None = None) -> dict[str, Any]:
    item: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{view}")}
    if permission:
        item["permission"] = _may(permission)
    return item


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "URFMP",
    "SITE_HEADER": "URFMP",
    "SITE_SUBHEADER": "Robot fleet",
    "SITE_URL": None,
    "SITE_ICON": _file("urfmp/img/logo.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": _file("urfmp/img/logo.svg")},
    ],
    "SHOW_HISTORY": _may("audit.view_auditlog"),
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "STYLES": [_file("urfmp/css/theme.css"), _file("urfmp/css/urfmp.css")],
    "SCRIPTS": [_file("urfmp/js/expressions.js"), _file("urfmp/js/common.js")],
    "ACCOUNT": {
        "navigation": [
            {
                "title": "Where you are signed in",
                "link": reverse_lazy("admin:own_sessions_page"),
            },
            {
                "title": "Second factor",
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
                    _item("Home", "home", "index"),
                    _item(
                        "Robots",
                        "precision_manufacturing",
                        "robots_robot_changelist",
                        "robots.view_robot",
                    ),
                    _item(
                        "Telemetry",
                        "monitoring",
                        "telemetry_page",
                        "telemetry.view_robottelemetry",
                    ),
                    _item(
                        "Status history",
                        "timeline",
                        "status_history_page",
                        "robots.view_robotstatushistory",
                    ),
                    _item(
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
                    _item(
                        "Maintenance",
                        "build",
                        "maintenance_maintenancetask_changelist",
                        "maintenance.view_maintenancetask",
                    ),
                    _item(
                        "Alerts", "notifications", "alerts_alert_changelist", "alerts.view_alert"
                    ),
                ],
            },
            {
                "title": "Organization",
                "separator": True,
                "items": [
                    _item(
                        "Organization",
                        "domain",
                        "organizations_organization_changelist",
                        "organizations.view_organization",
                    ),
                    _item(
                        "Facilities",
                        "factory",
                        "organizations_facility_changelist",
                        "organizations.view_facility",
                    ),
                    _item("Users", "group", "accounts_user_changelist", "accounts.view_user"),
                    _item(
                        "Invitations",
                        "outgoing_mail",
                        "accounts_invitation_changelist",
                        "accounts.view_invitation",
                    ),
                    _item("API keys", "key", "accounts_apikey_changelist", "accounts.view_apikey"),
                    _item(
                        "Sessions",
                        "devices",
                        "accounts_usersession_changelist",
                        "accounts.view_usersession",
                    ),
                    _item("Audit", "history", "audit_auditlog_changelist", "audit.view_auditlog"),
                    _item("Storage", "database", "storage_page", "telemetry.view_storage"),
                ],
            },
            {
                "title": "Platform",
                "separator": True,
                "items": [
                    _item(
                        "Organizations",
                        "corporate_fare",
                        "organizations_platformorganization_changelist",
                        "organizations.view_platformorganization",
                    ),
                ],
            },
        ],
    },
}
