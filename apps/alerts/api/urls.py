from __future__ import annotations

from rest_framework.routers import SimpleRouter

from apps.alerts.api.alerts import AlertViewSet
from apps.alerts.api.rules import AlertRuleViewSet

router = SimpleRouter(trailing_slash=False)
router.register("alert-rules", AlertRuleViewSet, basename="alert-rule")
router.register("alerts", AlertViewSet, basename="alert")

urlpatterns = router.urls
