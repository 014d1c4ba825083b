from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.accounts.api.api_keys import ApiKeyViewSet
from apps.accounts.api.auth import LoginView, LogoutView, RefreshView, StepUpView
from apps.accounts.api.invitations import InvitationAcceptView, InvitationViewSet
from apps.accounts.api.passwords import PasswordResetConfirmView, PasswordResetView
from apps.accounts.api.second_factors import (
    RecoveryCodesView,
    SecondFactorConfirmView,
    SecondFactorRemoveView,
    SecondFactorView,
)
from apps.accounts.api.sessions import OwnSessionViewSet, UserSessionViewSet
from apps.accounts.api.users import UserViewSet
from urfmp.common.http.view_policy import view_policy

public = view_policy(public=True)
without_second_factor = view_policy(allow_without_second_factor=True)

router = SimpleRouter(trailing_slash=False)
router.register("auth/sessions", OwnSessionViewSet, basename="own-session")
router.register("users", UserViewSet, basename="user")
router.register("invitations", InvitationViewSet, basename="invitation")
router.register("sessions", UserSessionViewSet, basename="session")
router.register("api-keys", ApiKeyViewSet, basename="api-key")

urlpatterns = [
    path("auth/login", public(LoginView.as_view()), name="auth-login"),
    path("auth/refresh", public(RefreshView.as_view()), name="auth-refresh"),
    path("auth/logout", without_second_factor(LogoutView.as_view()), name="auth-logout"),
    path("auth/step-up", without_second_factor(StepUpView.as_view()), name="auth-step-up"),
    path(
        "auth/second-factor",
        without_second_factor(SecondFactorView.as_view()),
        name="auth-second-factor",
    ),
    path(
        "auth/second-factor/confirm",
        without_second_factor(SecondFactorConfirmView.as_view()),
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
        public(PasswordResetView.as_view()),
        name="auth-password-reset",
    ),
    path(
        "auth/password-reset/confirm",
        public(PasswordResetConfirmView.as_view()),
        name="auth-password-reset-confirm",
    ),
    path(
        "auth/invitation/accept",
        public(InvitationAcceptView.as_view()),
        name="auth-invitation-accept",
    ),
    *router.urls,
]
