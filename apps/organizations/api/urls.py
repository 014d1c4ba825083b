from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.organizations.api.facilities import FacilityViewSet
from apps.organizations.api.organizations import OrganizationViewSet
from apps.organizations.api.platform import OrganizationSwitchView, PlatformOrganizationViewSet

router = SimpleRouter(trailing_slash=False)
router.register("organizations", OrganizationViewSet, basename="organization")
router.register("facilities", FacilityViewSet, basename="facility")
router.register(
    "platform/organizations", PlatformOrganizationViewSet, basename="platform-organization"
)

urlpatterns = [
    path(
        "auth/choose-organization",
        OrganizationSwitchView.as_view(),
        name="auth-choose-organization",
    ),
    *router.urls,
]
