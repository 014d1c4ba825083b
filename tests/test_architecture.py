"""Layers, rooms and scoping: rules that every module and model keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.apps import apps as registry
from django.contrib import admin
from django.urls import get_resolver

from tests.support.architecture import (
    crowded_folders,
    http_in_services,
    import_circles,
    parse,
    source_modules,
    unknown_rooms,
    upward_imports,
)
from urfmp.common.admin import OrganizationScopedAdmin
from urfmp.common.api.viewsets import PrincipalView, ScopedViewSet
from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet

ROOT = Path(__file__).resolve().parent.parent
CHECKS = [unknown_rooms, upward_imports, http_in_services, import_circles, crowded_folders]


@pytest.fixture(scope="module")
def modules() -> dict[str, str]:
    return source_modules()


def test_every_module_is_covered(modules):
    """All modules are read, and each belongs to a layer; an app's belongs to a room."""
    expected = {path for folder in ("apps", "urfmp") for path in (ROOT / folder).rglob("*.py")}
    assert {ROOT / path for path in modules} >= expected
    assert len(parse(modules)) == len(modules)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_modules_keep_the_layers(check, modules):
    offences = check(modules)
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize(
    ("check", "path", "source"),
    [
        (unknown_rooms, "apps/robots/helpers.py", ""),
        (unknown_rooms, "apps/fleet/models.py", ""),
        (unknown_rooms, "urfmp/utilities/text.py", ""),
        (unknown_rooms, "urfmp/tools.py", ""),
        (upward_imports, "apps/robots/services/x.py", "from apps.alerts.models import Alert"),
        (upward_imports, "apps/robots/models/x.py", "import apps.robots.services.robots"),
        (upward_imports, "apps/robots/selectors/x.py", "from apps.robots.services import robots"),
        (upward_imports, "apps/alerts/services.py", "import apps.accounts.api.auth"),
        (upward_imports, "apps/robots/api/x.py", "def f():\n    import urfmp.pages.site"),
        (upward_imports, "urfmp/common/x.py", "from apps.robots.models import Robot"),
        (upward_imports, "urfmp/live/x.py", "import urfmp.urls"),
        (http_in_services, "apps/robots/services/x.py", "from django.http import HttpRequest"),
        (http_in_services, "apps/robots/services/x.py", "from django import http"),
        (http_in_services, "apps/robots/services/x.py", "import rest_framework.response"),
        (import_circles, "apps/audit/choices.py", "import apps.audit.exceptions"),
    ],
)
def test_an_offence_is_found(check, path, source, modules):
    added = {path: source, "apps/audit/exceptions.py": "import apps.audit.choices"}
    assert set(check({**modules, **added})) - set(check(modules))


def test_crowded_folder_is_found():
    folder = {f"apps/robots/services/m{number}.py": "" for number in range(17)}
    assert crowded_folders(folder) == ["apps/robots/services has 17 modules"]


def tenant_models():
    return [model for model in registry.get_models() if getattr(model, "is_tenant_owned", False)]


@pytest.mark.parametrize("model", tenant_models(), ids=lambda model: model.__name__)
def test_tenant_models_have_the_scoped_manager(model):
    assert isinstance(model._default_manager.all(), OrganizationScopedQuerySet)


def test_models_with_an_organization_are_tenant_models():
    missing = [
        model.__name__
        for model in registry.get_models()
        if any(field.name == "organization" for field in model._meta.fields)
        and not getattr(model, "is_tenant_owned", False)
    ]
    assert not missing


def test_registered_admins_of_tenant_models_are_scoped():
    unscoped = [
        model.__name__
        for model, model_admin in admin.site._registry.items()
        if getattr(model, "is_tenant_owned", False)
        and not isinstance(model_admin, OrganizationScopedAdmin)
    ]
    assert not unscoped


def test_every_tenant_model_has_an_admin_page():
    # Rows for repeated requests, workers and recipients of links; users have no page for them.
    internal = {"IdempotencyRecord", "OneTimeLink", "SecondFactor"}
    internal |= {"RobotStatusRepeat", "TelemetryBatch", "TelemetryLatest"}
    # pages of their own
    internal |= {"TelemetryImport", "TelemetryImportPart", "FloorPlan"}
    internal |= {"RobotImport", "RobotImportRow"}
    internal |= {"RobotClaimCode"}  # on the robot's page
    internal |= {"MaintenanceScheduleState"}  # on the robot's page
    internal |= {"LabourEntry", "TaskEvent"}  # on the task's page
    internal |= {"CalendarFeed"}  # on the profile page
    internal |= {"TemplateStep", "TemplatePart", "TaskStep", "TaskFile"}  # on pages of theirs
    internal |= {"RobotLabel"}  # on the sheet of labels
    internal |= {"PartMovement", "TaskPart"}  # on pages of parts and tasks
    internal |= {"AlertEvent", "AlertRuleState"}  # on pages of alerts and rules
    internal |= {"NotificationStep", "NotificationPreference"}  # on pages of routes and users
    internal |= {"PushKey", "PushSubscription"}  # on the user's page of notifications
    missing = {model.__name__ for model in tenant_models()} - internal
    missing -= {model.__name__ for model in admin.site._registry}
    assert not missing


def _viewsets(resolver):
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _viewsets(pattern)
        elif cls := getattr(pattern.callback, "cls", None):
            yield cls


def test_routed_viewsets_are_scoped():
    own_views = {"LatestView", "SeriesView", "ExportView", "DeviceStatusView"}
    own_views |= {"RobotStatusSummaryView", "RobotTimelineView", "FleetStatusSummaryView"}
    own_views |= {"FleetLatestView", "FleetSeriesView", "HistogramView", "CorrectionView"}
    own_views |= {"DeviceClaimView", "AlertmanagerView"}
    own_views |= {"VendorProfileListView", "DeviceCommandAcknowledgeView"}
    own_views |= {"DeviceCommandProgressView", "DeviceCommandResultView"}
    own_views |= {"RobotStopRequestView", "PlaceStopRequestView"}
    own_views |= {"LoginView", "RefreshView", "LogoutView"}
    own_views |= {"PasswordResetView", "PasswordResetConfirmView", "StepUpView"}
    own_views |= {"OrganizationSwitchView", "InvitationAcceptView", "RecoveryCodesView"}
    own_views |= {"SecondFactorView", "SecondFactorConfirmView", "SecondFactorRemoveView"}
    schema = {"SchemaView", "DocsView"}
    unscoped = {
        cls.__name__ for cls in _viewsets(get_resolver()) if not issubclass(cls, ScopedViewSet)
    }
    assert unscoped <= own_views | schema
    # They reject unknown query parameters, as lists do.
    assert all(
        issubclass(cls, PrincipalView)
        for cls in _viewsets(get_resolver())
        if cls.__name__ not in schema
    )


def test_settings_stay_small():
    lines = (ROOT / "urfmp" / "settings.py").read_text().splitlines()
    assert len(lines) <= 300


def test_leaving_restriction_says_why():
    """`unscoped` is the only way around `restrict` for whole tables, and it is never silent."""
    with pytest.raises(ValueError, match="Give the reason"):
        tenant_models()[0]._default_manager.all().unscoped(reason="")
