from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.robots.api.claim_codes import DeviceClaimView
from apps.robots.api.commands import RobotCommandListViewSet, RobotCommandViewSet
from apps.robots.api.device import DeviceStatusView
from apps.robots.api.device_commands import (
    DeviceCommandAcknowledgeView,
    DeviceCommandProgressView,
    DeviceCommandResultView,
)
from apps.robots.api.imports import RobotImportViewSet
from apps.robots.api.robots import RobotViewSet
from apps.robots.api.status_history import StatusHistoryViewSet
from apps.robots.api.stop_requests import PlaceStopRequestView, RobotStopRequestView
from apps.robots.api.time_in_state import (
    FleetStatusSummaryView,
    RobotStatusSummaryView,
    RobotTimelineView,
)
from apps.robots.api.vendor_profiles import VendorProfileListView
from urfmp.common.http.view_policy import view_policy

router = SimpleRouter(trailing_slash=False)
router.register("robots", RobotViewSet, basename="robot")
router.register("robot-imports", RobotImportViewSet, basename="robot-import")
router.register("commands", RobotCommandViewSet, basename="command")

urlpatterns = [
    *router.urls,
    path(
        "robots/<uuid:robot_id>/commands",
        RobotCommandListViewSet.as_view({"get": "list", "post": "create"}),
        name="robot-commands",
    ),
    path(
        "robots/<uuid:robot_id>/status-history",
        StatusHistoryViewSet.as_view({"get": "list"}),
        name="robot-status-history",
    ),
    path(
        "robots/<uuid:robot_id>/status-history/summary",
        RobotStatusSummaryView.as_view(),
        name="robot-status-history-summary",
    ),
    path(
        "robots/<uuid:robot_id>/status-history/timeline",
        RobotTimelineView.as_view(),
        name="robot-status-history-timeline",
    ),
    path("status-history/summary", FleetStatusSummaryView.as_view(), name="status-history-summary"),
    path("vendor-profiles", VendorProfileListView.as_view(), name="vendor-profile-list"),
    path(
        "robots/<uuid:robot_id>/stop-requests",
        RobotStopRequestView.as_view(),
        name="robot-stop-requests",
    ),
    path("stop-requests", PlaceStopRequestView.as_view(), name="stop-requests"),
    path(
        "device/claim",
        view_policy(public=True)(DeviceClaimView.as_view()),
        name="device-claim",
    ),
    path("device/status", DeviceStatusView.as_view(), name="device-status"),
    path(
        "device/commands/<uuid:command_id>/acknowledge",
        DeviceCommandAcknowledgeView.as_view(),
        name="device-command-acknowledge",
    ),
    path(
        "device/commands/<uuid:command_id>/progress",
        DeviceCommandProgressView.as_view(),
        name="device-command-progress",
    ),
    path(
        "device/commands/<uuid:command_id>/result",
        DeviceCommandResultView.as_view(),
        name="device-command-result",
    ),
]
