from __future__ import annotations

from rest_framework.routers import SimpleRouter

from apps.accounts.api.views import (
    ApiKeyViewSet,
    OwnSessionViewSet,
    UserSessionViewSet,
    UserViewSet,
)

router = SimpleRouter(trailing_slash=False)
router.register("auth/sessions", OwnSessionViewSet, basename="own-session")
router.register("users", UserViewSet, basename="user")
router.register("sessions", UserSessionViewSet, basename="session")
router.register("api-keys", ApiKeyViewSet, basename="api-key")

urlpatterns = router.urls
