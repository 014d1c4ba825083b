from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.accounts.api.api_keys import ApiKeyViewSet
from apps.accounts.api.auth import LoginView, LogoutView, RefreshView, StepUpView
from apps.accounts.api.invitations import AcceptView, InvitationViewSet
from apps.accounts.api.passwords import PasswordChooseView, PasswordResetView
from apps.accounts.api.second_factors import (
    RecoveryCodesView,
    SecondFactorConfirmView,
    SecondFactorRemoveView,
    SecondFactorView,
)
from apps.accounts.api.sessions import OwnSessionViewSet, UserSessionViewSet
from apps.accounts.api.users import UserViewSet
from apps.accounts.middleware.second_factor import precedes_second_factor
from urfmp.common.http.view_flags import ignores_credentials

router = SimpleRouter(trailing_slash=False)
router.register("auth/sessions", OwnSessionViewSet, basename="own-session")
router.register("users", UserViewSet, basename="user")
router.register("invitations", InvitationViewSet, basename="invitation")
router.register("sessions", UserSessionViewSet, basename="session")
router.register("api-keys", ApiKeyViewSet, basename="api-key")

urlpatterns = [
    path("auth/login", ignores_credentials(LoginView.as_view()), name="auth-login"),
    path("auth/refresh", ignores_credentials(RefreshView.as_view()), name="auth-refresh"),
    path("auth/logout", precedes_second_factor(LogoutView.as_view()), name="auth-logout"),
    path("auth/step-up", precedes_second_factor(StepUpView.as_view()), name="auth-step-up"),
    path(
        "auth/second-factor",
        precedes_second_factor(SecondFactorView.as_view()),
        name="auth-second-factor",
    ),
    path(
        "auth/second-factor/confirm",
        precedes_second_factor(SecondFactorConfirmView.as_view()),
        name="auth-second-factor-confirm",
    ),
    path(
        "auth/second-factor/recovery-codes",
        RecoveryCodesView.as_view(),
        name="auth-second-factor-recovery-codes",
    ),
    path(
        "auth/second-factor/remove",
        SecondFactorRemoveView.as_view(),
        name="auth-second-factor-remove",
    ),
    path(
        "auth/password-reset",
        ignores_credentials(PasswordResetView.as_view()),
        name="auth-password-reset",
    ),
    path(
        "auth/password-reset/confirm",
        ignores_credentials(PasswordChooseView.as_view()),
        name="auth-password-reset-confirm",
    ),
    path(
        "auth/invitation/accept",
        ignores_credentials(AcceptView.as_view()),
        name="auth-invitation-accept",
    ),
    *router.urls,
]
