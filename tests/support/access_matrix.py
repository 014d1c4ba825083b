"""The access matrix: routes and pages outside a model's own, and their callers."""

from __future__ import annotations

# The super admin has switched to organization A and has the permissions of its admin.
ROLES = ("viewer", "technician", "operator", "manager", "admin", "super_admin")
KEYS = ("read_key", "write_key", "device_key")
ALL_CALLERS = {*ROLES, *KEYS}

# (route, method): allowed callers. Other callers get 403, an anonymous caller 401.
STAFF = {"manager", "admin"}
READERS = {*ROLES, "read_key"}
PLATFORM = {"super_admin"}
API = {
    ("telemetry-latest", "get"): READERS,
    ("telemetry-series", "get"): READERS,
    ("telemetry-export", "get"): {"operator", *STAFF, "read_key"},
    ("fleet-latest-list", "get"): READERS,
    ("fleet-series", "get"): READERS,
    ("telemetry-histogram", "get"): READERS,
    ("telemetry-corrections", "post"): {"admin"},
    ("user-list", "get"): {*STAFF, "read_key"},
    ("user-list", "post"): {"admin", "write_key"},
    ("user-detail", "get"): {*STAFF, "read_key"},
    ("user-detail", "patch"): {"admin"},
    ("user-password-link", "post"): {"admin"},
    ("user-second-factor", "delete"): {"admin"},
    ("invitation-list", "get"): {*STAFF, "read_key"},
    ("invitation-list", "post"): {"admin", "write_key"},
    ("invitation-detail", "get"): {*STAFF, "read_key"},
    ("invitation-resend", "post"): {"admin", "write_key"},
    ("invitation-detail", "delete"): {"admin", "write_key"},
    ("own-session-list", "get"): set(ROLES),
    ("session-list", "get"): {*STAFF, "read_key"},
    ("session-detail", "get"): {*STAFF, "read_key"},
    ("session-detail", "delete"): {"admin"},
    ("api-key-list", "get"): {"admin", "read_key"},
    ("api-key-list", "post"): {"admin", "write_key"},
    ("api-key-detail", "get"): {"admin", "read_key"},
    ("api-key-detail", "patch"): {"admin"},
    ("api-key-rotate", "post"): {"admin"},
    ("api-key-detail", "delete"): {"admin", "write_key"},
    ("organization-list", "get"): READERS,
    ("organization-detail", "get"): READERS,
    ("organization-detail", "patch"): {"admin", "write_key"},
    ("organization-cancel-scheduled-settings", "post"): {"admin", "write_key"},
    ("organization-set-plan", "post"): PLATFORM,
    ("organization-deactivate", "post"): PLATFORM,
    ("organization-reactivate", "post"): PLATFORM,
    ("platform-organization-list", "get"): PLATFORM,
    ("platform-organization-list", "post"): PLATFORM,
    ("platform-organization-detail", "get"): PLATFORM,
    ("auth-choose-organization", "post"): PLATFORM,
    ("facility-list", "get"): READERS,
    ("facility-list", "post"): {"admin", "write_key"},
    ("facility-detail", "get"): READERS,
    ("facility-detail", "patch"): {"admin", "write_key"},
    ("facility-floor-plan", "get"): READERS,
    ("facility-floor-plan-picture", "get"): READERS,
    ("facility-floor-plan", "patch"): {"admin", "write_key"},
    ("facility-floor-plan", "delete"): {"admin", "write_key"},
    ("facility-detail", "delete"): {"admin", "write_key"},
    ("robot-list", "get"): READERS,
    ("robot-list", "post"): {*STAFF, "write_key"},
    ("robot-detail", "get"): READERS,
    ("robot-detail", "patch"): {*STAFF, "write_key"},
    ("robot-detail", "delete"): {"admin", "write_key"},
    ("vendor-profile-list", "get"): READERS,
    ("robot-reveal-secret", "post"): {"admin"},
    ("robot-return-to-service", "post"): {*STAFF, "write_key"},
    ("robot-change-lifecycle", "post"): {*STAFF, "write_key"},
    ("robot-purge", "post"): {"admin"},
    ("robot-import-list", "get"): {*STAFF, "write_key"},
    ("robot-import-list", "post"): {*STAFF, "write_key"},
    ("robot-import-detail", "get"): {*STAFF, "write_key"},
    ("robot-import-errors", "get"): {*STAFF, "write_key"},
    ("robot-import-start", "post"): {*STAFF, "write_key"},
    ("robot-import-cancel", "post"): {*STAFF, "write_key"},
    ("robot-claim-code", "post"): {"admin"},
    ("robot-claim-code", "delete"): {"admin"},
    ("robot-lock-for-maintenance", "post"): {"technician", *STAFF, "write_key"},
    ("robot-release-from-maintenance", "post"): {"technician", *STAFF, "write_key"},
    ("robot-take-control", "post"): {"operator", *STAFF},
    ("robot-release-control", "post"): {"operator", *STAFF},
    ("robot-stop-requests", "post"): {"operator", *STAFF, "write_key"},
    ("stop-requests", "post"): {"operator", *STAFF, "write_key"},
    ("command-list", "get"): READERS,
    ("command-list", "post"): {"operator", *STAFF, "write_key"},
    ("command-detail", "get"): READERS,
    ("command-cancel", "post"): {"operator", *STAFF, "write_key"},
    ("command-approve", "post"): {"operator", *STAFF},
    ("command-reject", "post"): {"operator", *STAFF},
    ("command-settle", "post"): {"operator", *STAFF},
    ("robot-commands", "get"): READERS,
    ("robot-commands", "post"): {"operator", *STAFF, "write_key"},
    ("robot-status-history", "get"): READERS,
    ("robot-status-history-summary", "get"): READERS,
    ("robot-status-history-timeline", "get"): READERS,
    ("status-history-summary", "get"): READERS,
    ("device-status", "post"): {"device_key"},
    ("device-command-acknowledge", "post"): {"device_key"},
    ("device-command-progress", "post"): {"device_key"},
    ("device-command-result", "post"): {"device_key"},
    ("maintenance-task-list", "get"): READERS,
    ("maintenance-task-list", "post"): {"operator", *STAFF, "write_key"},
    ("maintenance-task-detail", "get"): READERS,
    ("maintenance-task-detail", "patch"): {"technician", *STAFF, "write_key"},
    ("maintenance-task-start", "post"): {"technician", *STAFF, "write_key"},
    ("maintenance-task-complete", "post"): {"technician", *STAFF, "write_key"},
    ("maintenance-task-cancel", "post"): {"technician", *STAFF, "write_key"},
    ("maintenance-schedule-list", "get"): READERS,
    ("maintenance-schedule-list", "post"): {"operator", *STAFF, "write_key"},
    ("maintenance-schedule-detail", "get"): READERS,
    ("maintenance-schedule-detail", "patch"): {"technician", *STAFF, "write_key"},
    ("maintenance-schedule-preview", "get"): READERS,
    ("maintenance-schedule-detail", "delete"): {*STAFF, "write_key"},
    ("alert-rule-list", "get"): READERS,
    ("alert-rule-list", "post"): {*STAFF, "write_key"},
    ("alert-rule-detail", "get"): READERS,
    ("alert-rule-detail", "patch"): {*STAFF, "write_key"},
    ("alert-rule-detail", "delete"): {*STAFF, "write_key"},
    ("alert-rule-preview", "post"): {*STAFF, "write_key"},
    ("alert-list", "get"): READERS,
    ("alert-list", "post"): {"operator", *STAFF, "write_key"},
    ("alert-detail", "get"): READERS,
    ("alert-acknowledge", "post"): {"technician", "operator", *STAFF, "write_key"},
    ("alert-resolve", "post"): {"technician", "operator", *STAFF, "write_key"},
    ("alert-comment", "post"): {"technician", "operator", *STAFF, "write_key"},
    ("alert-snooze", "post"): {"technician", "operator", *STAFF, "write_key"},
    ("alert-assign", "post"): {*STAFF, "write_key"},
    ("alert-events", "get"): READERS,
    ("alertmanager", "post"): {"operator", *STAFF, "write_key"},
    ("notification-channel-list", "get"): {"admin", "read_key"},
    ("notification-channel-list", "post"): {"admin", "write_key"},
    ("notification-channel-detail", "get"): {"admin", "read_key"},
    ("notification-channel-detail", "patch"): {"admin", "write_key"},
    ("notification-channel-detail", "delete"): {"admin", "write_key"},
    ("notification-channel-test", "post"): {"admin", "write_key"},
    ("notification-route-list", "get"): {"admin", "read_key"},
    ("notification-route-list", "post"): {"admin", "write_key"},
    ("notification-route-detail", "get"): {"admin", "read_key"},
    ("notification-route-detail", "patch"): {"admin", "write_key"},
    ("notification-route-detail", "delete"): {"admin", "write_key"},
    ("silence-list", "get"): READERS,
    ("silence-list", "post"): {*STAFF, "write_key"},
    ("silence-detail", "get"): READERS,
    ("silence-detail", "patch"): {*STAFF, "write_key"},
    ("silence-end", "post"): {*STAFF, "write_key"},
    ("delivery-list", "get"): {"admin", "read_key"},
    ("delivery-detail", "get"): {"admin", "read_key"},
    ("delivery-replay", "post"): {"admin", "write_key"},
    ("audit-log-list", "get"): {*STAFF, "read_key"},
    ("audit-log-detail", "get"): {*STAFF, "read_key"},
    ("audit-log-export", "get"): {"admin", "read_key"},
}
# No scope includes them, so API keys get 403 for any id.
USERS_ONLY = {
    "telemetry-corrections", "robot-reveal-secret", "robot-purge", "robot-claim-code",
}  # fmt: skip
# Their URLs contain no id, and they return the caller's own data.
WITHOUT_ROW = {
    "device-status", "status-history-summary", "stop-requests", "audit-log-export",
    "auth-choose-organization", "alert-rule-preview", "alertmanager",
}  # fmt: skip
# Plain views and redirects, each with its own test.
COVERED_ELSEWHERE = {
    "healthz",
    "readyz",  # tests/alerts/notifications/test_watchdog.py
    "home",
    "favicon",  # tests/pages/test_favicon.py
    "api:events",  # tests/live
    "api:device-command-next",  # tests/live
    "api:device-command-events",  # tests/live
    "api:schema",
    "api:docs",
    "api:auth-login",  # tests/accounts/test_api_tokens.py
    "api:auth-refresh",
    "api:auth-logout",
    "api:auth-step-up",  # tests/accounts/test_step_up.py
    "api:auth-second-factor",  # tests/accounts/test_second_factors_api.py
    "api:auth-second-factor-confirm",
    "api:auth-second-factor-recovery-codes",
    "api:auth-second-factor-remove",
    "api:auth-password-reset",  # tests/accounts/test_one_time_links.py
    "api:auth-password-reset-confirm",
    "api:auth-invitation-accept",  # tests/accounts/test_invitations.py
    "api:device-claim",  # tests/robots/test_claim_codes.py
    "api:own-session-detail",  # tests/accounts/test_own_sessions.py
    "api:own-session-end-others",
    "api:telemetry-ingest",  # tests/telemetry/test_ingest.py
    "influx-write-v1",  # tests/telemetry/test_influx_write.py
    "influx-write-v2",
    "influx-ping",
    "influx-health",
    "influx-query-v1",
    "influx-query-v2",
}
# Admin pages without a model, and the callers that may see them.
ADMIN_PAGES = {
    "admin:index": set(ROLES),
    "admin:own_sessions_page": set(ROLES),
    "admin:profile_page": set(ROLES),
    "admin:own_notifications_page": set(ROLES),
    "admin:second_factor": set(ROLES),
    "admin:robot_page": set(ROLES),
    "admin:robot_claim_page": set(ROLES),
    "admin:robot_imports_page": STAFF,
    "admin:robots_edit_page": STAFF,
    "admin:robot_import_page": STAFF,
    "admin:robot_report_page": {"operator", *STAFF},
    "admin:robot_command_page": {"operator", *STAFF},
    "admin:commands_page": {"operator", *STAFF},
    "admin:fleet_tree_page": set(ROLES),
    "admin:floor_maps_page": set(ROLES),
    "admin:floor_map_page": set(ROLES),
    "admin:floor_map_robots": set(ROLES),
    "admin:floor_plan_page": {"admin", "super_admin"},
    "admin:floor_plan_picture": set(ROLES),
    "admin:robot_stop_page": {"operator", *STAFF},
    "admin:place_stop_page": {"operator", *STAFF},
    "admin:robot_control_page": {"operator", *STAFF},
    "admin:telemetry_page": set(ROLES),
    "admin:telemetry_export_page": {"operator", *STAFF},
    "admin:telemetry_correction_page": {"admin", "super_admin"},
    "admin:telemetry_imports_page": {"admin", "super_admin"},
    "admin:telemetry_import_page": {"admin", "super_admin"},
    "admin:status_history_page": set(ROLES),
    "admin:storage_page": STAFF,
}
# Pages with the id of a row in the URL, and its key in the sample data.
ADMIN_PAGE_IDS = {
    "admin:robot_page": "robot",
    "admin:robot_claim_page": "robot",
    "admin:robot_import_page": "robot-import",
    "admin:robot_report_page": "robot",
    "admin:robot_command_page": "robot",
    "admin:robot_stop_page": "robot",
    "admin:robot_control_page": "robot",
    "admin:telemetry_import_page": "telemetry-import",
    "admin:floor_map_page": "facility",
    "admin:floor_map_robots": "facility",
    "admin:floor_plan_page": "facility",
    "admin:floor_plan_picture": "facility",
}
# Pages before login: open to all callers, independent of credentials.
PUBLIC_PAGES = {
    "admin:robot_client_file",
    "admin:accept_invitation",
    "admin:acknowledge_alerts",
    "admin:forgot_password",
    "admin:choose_password",
    "admin:sign_in_code",
}
# Django's own pages, without rows of an organization.
DJANGO_ADMIN_PAGES = {
    "admin:login",
    "admin:logout",
    "admin:alerts_alertrule_preview",  # tests/alerts/rules/test_admin.py
    "admin:alerts_alertrule_add_built_in",  # tests/alerts/rules/test_built_in.py
    "admin:leave_organization",  # tests/organizations/test_organization_switch.py
    "admin:password_change",
    "admin:password_change_done",
    "admin:autocomplete",
    "admin:search",
    "admin:jsi18n",
    "admin:view_on_site",
    "admin:app_list",
    "admin:None",
}
