"""Sessions in the API: an organization's, and the user's own."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentMixin
from apps.accounts.api.permissions import IsUser
from apps.accounts.auth.requests import current_session_id
from apps.accounts.models import UserSession
from apps.accounts.permissions.grants import check_can_manage
from apps.accounts.selectors.sessions import own_sessions
from apps.accounts.services import sessions
from urfmp.common.api.serializers import ScopedModelSerializer
from urfmp.common.api.viewsets import ReadViewSet, ScopedViewSet
from urfmp.common.http.view_policy import view_policy


class UserSessionSerializer(ScopedModelSerializer):
    class Meta:
        model = UserSession
        fields = (
            "id",
            "user",
            "created_at",
            "last_activity_at",
            "expires_at",
            "ip_address",
            "user_agent",
        )
        read_only_fields = fields


class OwnSessionSerializer(ScopedModelSerializer):
    kind = serializers.CharField(read_only=True, help_text="`browser` or `api`.")
    device = serializers.CharField(
        read_only=True, help_text="Device name, such as `Firefox on Windows`."
    )
    is_current = serializers.SerializerMethodField(
        help_text="Whether this is the session of the request."
    )

    class Meta:
        model = UserSession
        fields = (
            "id",
            "kind",
            "device",
            "is_current",
            "ip_address",
            "user_agent",
            "created_at",
            "last_activity_at",
            "expires_at",
        )
        read_only_fields = fields

    def get_is_current(self, row: UserSession) -> bool:
        return bool(row.pk == self.context.get("current_session_id"))


class RevokedSessionsSerializer(serializers.Serializer[Any]):
    ended = serializers.IntegerField(help_text="Number of sessions that were revoked.")


class UserSessionFilterSet(django_filters.FilterSet):
    user = django_filters.UUIDFilter(field_name="user_id")


class UserSessionViewSet(mixins.DestroyModelMixin, ReadViewSet):
    """Sessions of the organization's users; deleting one revokes it."""

    model = UserSession
    serializer_class = UserSessionSerializer
    filterset_class = UserSessionFilterSet
    summaries = {"destroy": "Revoke a session"}
    permission_actions = {"destroy": "change"}
    step_up_actions = frozenset({"destroy"})

    def get_queryset(self) -> QuerySet[Any]:
        rows: Any = super().get_queryset()
        roots: QuerySet[Any] = rows.roots()
        return roots

    def perform_destroy(self, instance: UserSession) -> None:
        check_can_manage(self.principal, instance.user)
        sessions.session_revoke(instance)


class OwnSessionFilterSet(django_filters.FilterSet):
    kind = django_filters.ChoiceFilter(
        choices=[("browser", "Browser"), ("api", "API")], method="filter_kind", label="kind"
    )

    def filter_kind(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return queryset.filter(family__isnull=value == "browser")


@view_policy(home_organization=True)
class OwnSessionViewSet(
    IdempotentMixin, mixins.ListModelMixin, mixins.DestroyModelMixin, ScopedViewSet
):
    """The current user's sessions; deleting one revokes it."""

    model = UserSession
    serializer_class = OwnSessionSerializer
    filterset_class = OwnSessionFilterSet
    permission_classes = (IsUser,)
    ordering = "-last_activity_at"
    summaries = {
        "list": "List the user's own sessions",
        "destroy": "Revoke one of the user's own sessions",
        "end_others": "Revoke the user's other sessions",
    }
    ordering_fields = ("last_activity_at", "created_at")

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset()
        return own_sessions(self.principal)

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        if not getattr(self, "swagger_fake_view", False):
            context["current_session_id"] = current_session_id(self.request._request)  # noqa: SLF001
        return context

    def perform_destroy(self, instance: UserSession) -> None:
        sessions.session_revoke(instance)

    @extend_schema(request=None, responses=RevokedSessionsSerializer, filters=False)
    @action(detail=False, methods=["post"], url_path="end-others")
    def end_others(self, request: Request) -> Response:
        """Revoke all of the user's sessions except the current one."""
        current_id = current_session_id(request._request)  # noqa: SLF001
        return Response({"ended": sessions.sessions_revoke_others(self.principal, keep=current_id)})
