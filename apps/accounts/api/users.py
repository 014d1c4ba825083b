from __future__ import annotations

from datetime import timedelta
from typing import Any

import django_filters
from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.api_keys import (
    ApiKeySerializer,
    EndedSerializer,
    OwnSessionSerializer,
    RotationSerializer,
    UserSerializer,
    UserSessionSerializer,
)
from apps.accounts.api.idempotency import IdempotentCreateMixin, IdempotentMixin
from apps.accounts.api.permissions import IsPerson
from apps.accounts.choices import LinkPurpose, Role
from apps.accounts.models import ApiKey, User, UserSession
from apps.accounts.permissions.grants import check_authority, check_grant, check_scopes
from apps.accounts.selectors.sessions import current_session_id, own_sessions
from apps.accounts.services import api_keys, users
from apps.accounts.services.email_enumeration import address_tried, moved_to
from apps.accounts.services.one_time_links import link_order, password_link_order
from apps.accounts.services.second_factors import second_factor_reset
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.viewsets import ReadViewSet, ScopedViewSet, WriteViewSet
from urfmp.common.http.view_flags import acts_at_home


class UserFilterSet(django_filters.FilterSet):
    email = django_filters.CharFilter(lookup_expr="icontains")
    role = django_filters.ChoiceFilter(choices=Role.choices)
    is_active = BooleanFilter()


class UserViewSet(ETagMixin, IdempotentCreateMixin, WriteViewSet):
    """People of the organization."""

    etag_ignores = frozenset({"updated_at", "last_login"})

    model = User
    serializer_class = UserSerializer
    filterset_class = UserFilterSet
    ordering = "email"
    ordering_fields = ("email", "created_at")
    permission_actions = {"password_link": "change", "second_factor": "change"}
    step_up_actions = frozenset({"create", "partial_update", "password_link", "second_factor"})

    def get_object(self) -> Any:
        """Lock the admins first, as every change of a person does, where the person is locked."""
        if self._condition is not None:
            users.admins_hold(self.principal.organization_id)
        return super().get_object()

    def perform_create(self, serializer: Any) -> None:
        fields = dict(serializer.validated_data)
        fields.pop("is_active", None)
        fields.setdefault("role", Role.OPERATOR)
        check_grant(self.principal, fields)
        organization_id = self.principal.organization_id
        with address_tried(organization_id, fields["email"]):
            serializer.instance = users.user_create(organization_id=organization_id, **fields)
        if settings.MAIL_IS_CONFIGURED:
            link_order(serializer.instance, LinkPurpose.INVITATION)

    def perform_update(self, serializer: Any) -> None:
        check_authority(self.principal, serializer.instance)
        check_grant(self.principal, serializer.validated_data)
        person, changes = serializer.instance, serializer.validated_data
        with address_tried(person.organization_id, moved_to(person, changes)):
            serializer.instance = users.user_update(person, **changes)

    @extend_schema(request=None, responses={202: None})
    @action(detail=True, methods=["post"], url_path="password-link")
    def password_link(self, request: Request, pk: str) -> Response:
        """Send a person a link to choose a password with: a reset, or their invitation again."""
        person = self.get_object()
        check_authority(self.principal, person)
        password_link_order(person)
        return Response(status=202)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["delete"], url_path="second-factor")
    def second_factor(self, request: Request, pk: str) -> Response:
        """Take a person's second factor away, when they have lost app and recovery codes."""
        person = self.get_object()
        check_authority(self.principal, person)
        second_factor_reset(person)
        return Response(status=204)


class UserSessionFilterSet(django_filters.FilterSet):
    user = django_filters.UUIDFilter(field_name="user_id")


class UserSessionViewSet(mixins.DestroyModelMixin, ReadViewSet):
    """Where people are signed in; deleting one ends it."""

    model = UserSession
    serializer_class = UserSessionSerializer
    filterset_class = UserSessionFilterSet
    permission_actions = {"destroy": "change"}

    def get_queryset(self) -> QuerySet[Any]:
        rows: Any = super().get_queryset()
        sign_ins: QuerySet[Any] = rows.sign_ins()
        return sign_ins

    def perform_destroy(self, instance: UserSession) -> None:
        check_authority(self.principal, instance.user)
        users.session_end(instance)


class OwnSessionFilterSet(django_filters.FilterSet):
    kind = django_filters.ChoiceFilter(
        choices=[("browser", "Browser"), ("api", "API")], method="of_kind", label="kind"
    )

    def of_kind(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return queryset.filter(family__isnull=value == "browser")


@acts_at_home
class OwnSessionViewSet(
    IdempotentMixin, mixins.ListModelMixin, mixins.DestroyModelMixin, ScopedViewSet
):
    """Where the person who asks is signed in; deleting one ends it."""

    model = UserSession
    serializer_class = OwnSessionSerializer
    filterset_class = OwnSessionFilterSet
    permission_classes = (IsPerson,)
    ordering = "-last_activity_at"
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
        users.session_end(instance)

    @extend_schema(request=None, responses=EndedSerializer, filters=False)
    @action(detail=False, methods=["post"], url_path="end-others")
    def end_others(self, request: Request) -> Response:
        """End all sign-ins of this person but the one that asks."""
        keep = current_session_id(request._request)  # noqa: SLF001
        return Response({"ended": users.sessions_end_others(self.principal, keep=keep)})


class ApiKeyFilterSet(django_filters.FilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")
    is_active = BooleanFilter()


@extend_schema(description="Keys of machines. Deleting one revokes it; the row stays.")
class ApiKeyViewSet(ETagMixin, IdempotentCreateMixin, mixins.DestroyModelMixin, WriteViewSet):
    """Keys of machines; deleting one revokes it."""

    etag_ignores = frozenset({"key", "last_used_at"})

    model = ApiKey
    serializer_class = ApiKeySerializer
    filterset_class = ApiKeyFilterSet
    permission_actions = {"rotate": "add"}
    step_up_actions = frozenset({"create", "partial_update", "rotate"})

    def _person(self) -> User:
        user = self.principal
        if not isinstance(user, User):
            raise PermissionDenied("Only a person makes keys.")  # noqa: EM101
        return user

    def perform_create(self, serializer: Any) -> None:
        user = self._person()
        check_scopes(user, serializer.validated_data["permissions"])
        row, key = api_keys.api_key_create(
            organization_id=user.organization_id, user=user, **serializer.validated_data
        )
        row.shown_once = key  # type: ignore[attr-defined]
        serializer.instance = row

    def kept_answer(self, data: Any) -> Any:
        return {**data, "key": None}

    def perform_update(self, serializer: Any) -> None:
        check_scopes(self._person(), serializer.instance.permissions or ())
        serializer.instance = api_keys.api_key_update(
            serializer.instance, **serializer.validated_data
        )

    def perform_destroy(self, instance: ApiKey) -> None:
        api_keys.api_key_revoke(instance)

    @extend_schema(request=RotationSerializer, responses={201: ApiKeySerializer})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Make the key's successor; both work until the overlap is over."""
        old = self.get_object()
        user = self._person()
        given = RotationSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        check_scopes(user, old.permissions or ())
        overlap = timedelta(hours=given.validated_data["overlap_hours"])
        row, key = api_keys.api_key_rotate(old, user=user, overlap=overlap)
        row.shown_once = key  # type: ignore[attr-defined]
        return Response(self.get_serializer(row).data, status=201)
