"""Settings of the API and its OpenAPI document."""

from __future__ import annotations

from typing import Any

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.accounts.api.authentication.PrincipalAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["urfmp.common.api.permissions.ModelPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["urfmp.common.api.parsers.StrictJsonParser"],
    "DEFAULT_PAGINATION_CLASS": "urfmp.common.api.pagination.KeysetPagination",
    "DEFAULT_FILTER_BACKENDS": [
        "urfmp.common.api.filters.ScopedFilterBackend",
        "urfmp.common.api.filters.OrderingFilter",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "urfmp.common.api.renderers.HeaderNegotiation",
    "DEFAULT_SCHEMA_CLASS": "urfmp.common.api.schema.DocumentedSchema",
    "EXCEPTION_HANDLER": "urfmp.common.api.exception_handler.exception_handler",
    "PAGE_SIZE": 100,
    "SEARCH_PARAM": "search",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "URFMP",
    "DESCRIPTION": "Universal Robot Fleet Management Platform",
    "VERSION": "v1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.telemetry.api.schema.add_ingest",
        "apps.telemetry.api.prometheus.schema.add_prometheus",
        "urfmp.live.schema.add_live_routes",
        "urfmp.common.api.openapi_hooks.add_common_responses",
    ],
    "ENUM_NAME_OVERRIDES": {
        "PermissionEnum": "apps.accounts.permissions.roles.PERMISSION_CHOICES",
        "RoleEnum": "apps.accounts.choices.Role",
        "RobotStatusEnum": "apps.robots.choices.RobotStatus",
        "CommandStatusEnum": "apps.robots.choices.CommandStatus",
        "CommandPriorityEnum": "apps.robots.choices.CommandPriority",
        "CommandTypeEnum": "apps.robots.choices.CommandType",
        "ConnectionSecretEnum": "apps.robots.choices.ConnectionSecret",
        "ConnectionProtocolEnum": "apps.robots.choices.ConnectionProtocol",
        "MaintenanceStatusEnum": "apps.maintenance.choices.MaintenanceStatus",
        "MaintenancePriorityEnum": "apps.maintenance.choices.MaintenancePriority",
        "MaintenanceTypeEnum": "apps.maintenance.choices.MaintenanceType",
        "FailureCodeEnum": "apps.maintenance.choices.FailureCode",
        "CauseCodeEnum": "apps.maintenance.choices.CauseCode",
        "RemedyCodeEnum": "apps.maintenance.choices.RemedyCode",
        "MaintenanceEventKindEnum": "apps.maintenance.choices.TaskEventKind",
        "ScheduleFrequencyEnum": "apps.maintenance.choices.Frequency",
        "ScheduleAnchorEnum": "apps.maintenance.choices.ScheduleAnchor",
        "WeekdayEnum": "apps.maintenance.choices.Weekday",
        "PartMovementKindEnum": "apps.maintenance.choices.PartMovementKind",
        "AlertSeverityEnum": "apps.alerts.choices.alerts.AlertSeverity",
        "AlertTypeEnum": "apps.alerts.choices.alerts.AlertType",
        "AlertRuleScopeEnum": "apps.alerts.choices.rules.RuleScope",
        "AlertRuleKindEnum": "apps.alerts.choices.rules.RuleKind",
    },
}
