from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.alerts.api.alertmanager import AlertmanagerView
from apps.alerts.api.alerts import AlertViewSet
from apps.alerts.api.notifications.channels import ChannelViewSet
from apps.alerts.api.notifications.deliveries import DeliveryViewSet
from apps.alerts.api.notifications.routes import RouteViewSet
from apps.alerts.api.notifications.silences import SilenceViewSet
from apps.alerts.api.rules import AlertRuleViewSet

router = SimpleRouter(trailing_slash=False)
router.register("alert-rules", AlertRuleViewSet, basename="alert-rule")
router.register("alerts", AlertViewSet, basename="alert")
router.register("notification-channels", ChannelViewSet, basename="notification-channel")
router.register("notification-routes", RouteViewSet, basename="notification-route")
router.register("silences", SilenceViewSet, basename="silence")
router.register("deliveries", DeliveryViewSet, basename="delivery")

urlpatterns = [*router.urls, path("alertmanager", AlertmanagerView.as_view(), name="alertmanager")]
