"""Who may import whom: data flows one way through the layers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.apps import apps as registry
from django.contrib import admin
from django.urls import get_resolver

from urfmp.common.admin import OrganizationScopedAdmin
from urfmp.common.api.viewsets import PrincipalView, ScopedViewSet
from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet

ROOT = Path(__file__).resolve().parent.parent
ORDER = ["audit", "accounts", "organizations", "robots", "telemetry", "maintenance", "alerts"]
# Inside an app: what a layer may not import from its own or another app.
FORBIDDEN = {
    "choices": {"models", "services", "selectors", "admin", "api", "querysets"},
    "querysets": {"models", "services", "selectors", "admin", "api"},
    "models": {"services", "selectors", "admin", "api", "tasks"},
    "selectors": {"services", "admin", "api", "tasks"},
    "services": {"admin", "api", "tasks"},
    "tasks": {"admin", "api"},
    "api": {"admin", "tasks"},
    "admin": {"api", "tasks"},
}


def modules():
    for folder in ("apps", "urfmp"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT)


def imports(path: Path) -> set[str]:
    """Return the dotted names that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", list(modules()), ids=str)
def test_imports_go_one_way(path):
    parts = path.parts
    wrong = []
    for name in imports(path):
        target = name.split(".")
        if target[0] == "apps" and len(target) > 1:
            if parts[0] == "apps" and ORDER.index(target[1]) > ORDER.index(parts[1]):
                wrong.append(name)
            if parts[:2] in {("urfmp", "common"), ("urfmp", "db"), ("urfmp", "embedded")}:
                wrong.append(name)
        if target[:2] in (["urfmp", "pages"], ["urfmp", "live"]) and parts[0] == "apps":
            wrong.append(name)
    assert not wrong, f"{path} imports upwards: {wrong}"


@pytest.mark.parametrize("path", [p for p in modules() if p.parts[0] == "apps"], ids=str)
def test_layers_inside_an_app(path):
    layer = path.parts[2].removesuffix(".py") if len(path.parts) > 2 else ""
    forbidden = FORBIDDEN.get(layer, set())
    wrong = [
        name
        for name in imports(path)
        if name.startswith("apps.") and len(name.split(".")) > 2 and name.split(".")[2] in forbidden
    ]
    assert not wrong, f"{path} imports from a layer above: {wrong}"


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
    # For clients that repeat themselves, for workers, for the one who was sent it: not for people.
    internal = {"IdempotencyRecord", "OneTimeLink", "SecondFactor"}
    internal |= {"TelemetryBatch", "TelemetryLatest"}
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
    own_views |= {"FleetLatestView", "FleetSeriesView", "HistogramView"}
    own_views |= {"LoginView", "RefreshView", "LogoutView"}
    own_views |= {"PasswordResetView", "PasswordChooseView", "StepUpView"}
    own_views |= {"ChooseOrganizationView", "AcceptView", "RecoveryCodesView"}
    own_views |= {"SecondFactorView", "SecondFactorConfirmView", "SecondFactorRemoveView"}
    schema = {"SchemaView", "DocsView"}
    unscoped = {
        cls.__name__ for cls in _viewsets(get_resolver()) if not issubclass(cls, ScopedViewSet)
    }
    assert unscoped <= own_views | schema
    # They refuse what they do not know in the address, as lists do.
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
    with pytest.raises(ValueError, match="Say why"):
        tenant_models()[0]._default_manager.all().unscoped(reason="")
