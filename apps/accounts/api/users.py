"""Users in the API."""

from __future__ import annotations

from typing import Any

import django_filters
from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.accounts.choices import LinkPurpose, Role
from apps.accounts.models import User
from apps.accounts.permissions.grants import check_can_grant, check_can_manage
from apps.accounts.permissions.roles import PERMISSIONS
from apps.accounts.services import locks, users
from apps.accounts.services.email_enumeration import changed_email, enumeration_guard
from apps.accounts.services.one_time_links import link_request, password_link_request
from apps.accounts.services.second_factors import second_factor_reset
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer
from urfmp.common.api.viewsets import WriteViewSet
from urfmp.common.security.recent_auth import require_recent_user_auth


@body_example(
    "A technician",
    {
        "email": "mira@plant.example",
        "first_name": "Mira",
        "role": "technician",
    },
)
class UserSerializer(ScopedModelSerializer):
    permissions = serializers.ListField(
        child=serializers.ChoiceField(sorted(PERMISSIONS)),
        required=False,
        help_text="Permissions in addition to the role's.",
    )

    class Meta:
        model = User
        fields = (
            "id",
            "email",
            "first_name",
            "last_name",
            "role",
            "permissions",
            "timezone",
            "is_active",
            "email_verified",
            "last_login",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("id", "email_verified", "last_login", "created_at", "updated_at")


class UserFilterSet(django_filters.FilterSet):
    email = django_filters.CharFilter(lookup_expr="icontains")
    role = django_filters.ChoiceFilter(choices=Role.choices)
    is_active = BooleanFilter()


class UserViewSet(ETagMixin, IdempotentCreateMixin, WriteViewSet):
    """Users of the organization."""

    etag_ignores = frozenset({"updated_at", "last_login"})

    model = User
    serializer_class = UserSerializer
    filterset_class = UserFilterSet
    summaries = {
        "password_link": "Send a user a password link",
        "second_factor": "Remove a user's second factor",
    }
    ordering = "email"
    ordering_fields = ("email", "created_at")
    permission_actions = {"password_link": "change", "second_factor": "change"}
    step_up_actions = frozenset({"create", "partial_update", "password_link"})

    def get_object(self) -> Any:
        """Lock the admins before the user, for requests that lock the user.

        Every change of a user acquires the locks in this order.
        """
        if self._condition is not None:
            locks.lock_active_admins(self.principal.organization_id)
        return super().get_object()

    def perform_create(self, serializer: Any) -> None:
        fields = dict(serializer.validated_data)
        fields.pop("is_active", None)
        fields.setdefault("role", Role.OPERATOR)
        check_can_grant(self.principal, fields)
        organization_id = self.principal.organization_id
        with enumeration_guard(organization_id, fields["email"]):
            serializer.instance = users.user_create(organization_id=organization_id, **fields)
        if settings.MAIL_IS_CONFIGURED:
            link_request(serializer.instance, LinkPurpose.INVITATION)

    def perform_update(self, serializer: Any) -> None:
        check_can_manage(self.principal, serializer.instance)
        check_can_grant(self.principal, serializer.validated_data)
        user, changes = serializer.instance, serializer.validated_data
        with enumeration_guard(user.organization_id, changed_email(user, changes)):
            serializer.instance = users.user_update(user, **changes)

    @extend_schema(request=None, responses={202: None})
    @action(detail=True, methods=["post"], url_path="password-link")
    def password_link(self, request: Request, pk: str) -> Response:
        """Send the user a password link: a reset, or the invitation again."""
        user = self.get_object()
        check_can_manage(self.principal, user)
        password_link_request(user)
        return Response(status=202)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["delete"], url_path="second-factor")
    def second_factor(self, request: Request, pk: str) -> Response:
        """Remove the user's second factor, if app and recovery codes are lost."""
        user = self.get_object()
        require_recent_user_auth(request._request)  # noqa: SLF001
        check_can_manage(self.principal, user)
        second_factor_reset(user)
        return Response(status=204)
