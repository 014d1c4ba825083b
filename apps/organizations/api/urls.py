from __future__ import annotations

from rest_framework.routers import SimpleRouter

from apps.organizations.api.views import FacilityViewSet, OrganizationViewSet

router = SimpleRouter(trailing_slash=False)
router.register("organizations", OrganizationViewSet, basename="organization")
router.register("facilities", FacilityViewSet, basename="facility")

urlpatterns = router.urls
