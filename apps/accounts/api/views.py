from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.exceptions import PermissionDenied

from apps.accounts import services
from apps.accounts.api.serializers import (
    ApiKeySerializer,
    UserSerializer,
    UserSessionSerializer,
)
from apps.accounts.choices import Role
from apps.accounts.grants import check_authority, check_grant, check_scopes
from apps.accounts.models import ApiKey, User, UserSession
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.viewsets import ReadViewSet, WriteViewSet


class UserFilterSet(django_filters.FilterSet):
    email = django_filters.CharFilter(lookup_expr="icontains")
    role = django_filters.ChoiceFilter(choices=Role.choices)
    is_active = BooleanFilter()


class UserViewSet(WriteViewSet):
    """People of the organization."""

    model = User
    serializer_class = UserSerializer
    filterset_class = UserFilterSet
    ordering = "email"
    ordering_fields = ("email", "created_at")

    def perform_create(self, serializer: Any) -> None:
        fields = dict(serializer.validated_data)
        fields.pop("is_active", None)
        fields.setdefault("role", Role.OPERATOR)
        check_grant(self.principal, fields)
        serializer.instance = services.user_create(
            organization_id=self.principal.organization_id, **fields
        )

    def perform_update(self, serializer: Any) -> None:
        check_authority(self.principal, serializer.instance)
        check_grant(self.principal, serializer.validated_data)
        serializer.instance = services.user_update(serializer.instance, **serializer.validated_data)


class UserSessionFilterSet(django_filters.FilterSet):
    user = django_filters.UUIDFilter(field_name="user_id")


class UserSessionViewSet(mixins.DestroyModelMixin, ReadViewSet):
    """Where people are signed in; deleting one ends it."""

    model = UserSession
    serializer_class = UserSessionSerializer
    filterset_class = UserSessionFilterSet
    permission_actions = {"destroy": "change"}

    def perform_destroy(self, instance: UserSession) -> None:
        services.session_end(instance)


class ApiKeyFilterSet(django_filters.FilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")
    is_active = BooleanFilter()


@extend_schema(description="Keys of machines. Deleting one revokes it; the row stays.")
class ApiKeyViewSet(mixins.CreateModelMixin, mixins.DestroyModelMixin, ReadViewSet):
    """Keys of machines; deleting one revokes it."""

    model = ApiKey
    serializer_class = ApiKeySerializer
    filterset_class = ApiKeyFilterSet

    def perform_create(self, serializer: Any) -> None:
        user = self.principal
        if not isinstance(user, User):
            raise PermissionDenied("Only a person makes keys.")  # noqa: EM101
        check_scopes(user, serializer.validated_data["permissions"])
        row, key = services.api_key_create(
            organization_id=user.organization_id, user=user, **serializer.validated_data
        )
        row.shown_once = key  # type: ignore[attr-defined]
        serializer.instance = row

    def perform_destroy(self, instance: ApiKey) -> None:
        services.api_key_revoke(instance)
