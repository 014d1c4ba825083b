"""Robots through the API."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.robots.api.claim_codes import ClaimCodeSerializer
from apps.robots.api.json_fields import ConfigurationField, ConnectionField, LocationField
from apps.robots.api.operators import author_of, require_user
from apps.robots.choices import ConnectionSecret, RobotStatus
from apps.robots.models import Robot
from apps.robots.services import claim_codes, lifecycle, purge, robots
from apps.robots.services.commands import leases
from apps.robots.services.connection import connection_secret_reveal, given_secrets
from apps.robots.services.maintenance_lock import maintenance_lock_release, maintenance_lock_set
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer
from urfmp.common.api.viewsets import WriteViewSet
from urfmp.common.security.recent_auth import require_recent_auth, require_recent_user_auth


@body_example(
    "An arm with six axes",
    {
        "name": "Welding 7",
        "vendor": "universal_robots",
        "model": "UR10e",
        "configuration": {"axes": 6, "payload": 12.5, "reach": 1300, "capabilities": ["welding"]},
        "location": {"area": "B2", "cell": "7", "coordinates": {"x_m": 12.5, "y_m": 4}},
    },
)
class RobotSerializer(ScopedModelSerializer):
    configuration = ConfigurationField(required=False)
    location = LocationField(required=False, allow_null=True)
    connection_config = ConnectionField(required=False, allow_null=True)

    class Meta:
        model = Robot
        fields = (
            "id",
            "name",
            "vendor",
            "model",
            "serial_number",
            "firmware_version",
            "status",
            "lifecycle",
            "location",
            "configuration",
            "offline_after_seconds",
            "connection_config",
            "last_seen",
            "stop_latched_at",
            "maintenance_locked_at",
            "lease_user",
            "lease_expires_at",
            "is_active",
            "version",
            "created_at",
            "updated_at",
        )
        read_only_fields = (
            "id",
            "status",
            "lifecycle",
            "last_seen",
            "stop_latched_at",
            "maintenance_locked_at",
            "lease_user",
            "lease_expires_at",
            "is_active",
            "version",
            "created_at",
            "updated_at",
        )


class SecretNameSerializer(StrictSerializer):
    name = serializers.ChoiceField(ConnectionSecret.choices)


class SecretSerializer(serializers.Serializer[Any]):
    name = serializers.ChoiceField(ConnectionSecret.choices)
    value = serializers.CharField()


class LifecycleSerializer(StrictSerializer):
    lifecycle = serializers.ChoiceField(lifecycle.stages_in_service())


class PurgeSerializer(StrictSerializer):
    name = serializers.CharField(
        max_length=255, help_text="Name of the robot, to confirm that it is the right one."
    )


class RobotFilterSet(django_filters.FilterSet):
    name = django_filters.CharFilter(lookup_expr="icontains")
    vendor = django_filters.CharFilter()
    model = django_filters.CharFilter()
    serial_number = django_filters.CharFilter()
    status = django_filters.ChoiceFilter(choices=RobotStatus.choices)
    is_active = BooleanFilter()
    facility = django_filters.CharFilter(method="in_place", label="facility")
    area = django_filters.CharFilter(method="in_place", label="area")
    cell = django_filters.CharFilter(method="in_place", label="cell")

    def in_place(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return queryset.filter(location__contains={name: value})


@extend_schema(
    description="Robots. DELETE retires a robot and keeps its history: its open"
    " alerts are resolved, and planned tasks and waiting commands cancelled."
)
class RobotViewSet(ETagMixin, IdempotentCreateMixin, mixins.DestroyModelMixin, WriteViewSet):
    """Robots of the organization."""

    model = Robot
    serializer_class = RobotSerializer
    filterset_class = RobotFilterSet
    ordering = "name"
    ordering_fields = ("name", "created_at", "last_seen")
    permission_actions = {
        "return_to_service": "change",
        "change_lifecycle": "change",
        "purge": "purge",
        "reveal_secret": "reveal",
        "lock_for_maintenance": "lock",
        "release_from_maintenance": "lock",
        "take_control": "control",
        "release_control": "control",
        "create_claim_code": "claim",
        "revoke_claim_code": "claim",
    }
    summaries = {"destroy": "Retire a robot"}
    # Fields of the responses of actions that are shown once, and not repeated.
    secret_fields: ClassVar[dict[str, str]] = {
        "reveal_secret": "value",
        "create_claim_code": "code",
    }

    def stored_response(self, data: Any) -> Any:
        secret = self.secret_fields.get(self.action or "")
        return data if secret is None else {**data, secret: None}

    def perform_create(self, serializer: Any) -> None:
        self._require_step_up_for_secrets(serializer)
        serializer.instance = robots.robot_register(
            organization_id=self.principal.organization_id, **serializer.validated_data
        )

    def perform_update(self, serializer: Any) -> None:
        self._require_step_up_for_secrets(serializer)
        serializer.instance = robots.robot_update(serializer.instance, **serializer.validated_data)

    @extend_schema(request=None, responses=RobotSerializer)
    @action(detail=True, methods=["post"], url_path="return-to-service")
    def return_to_service(self, request: Request, pk: str) -> Response:
        """Return a retired robot to service."""
        robot = robots.robot_return_to_service(self.get_object())
        return Response(self.get_serializer(robot).data)

    def _require_step_up_for_secrets(self, serializer: Any) -> None:
        if given_secrets(serializer.validated_data.get("connection_config")):
            require_recent_auth(self.request._request)  # noqa: SLF001

    @extend_schema(request=SecretNameSerializer, responses=SecretSerializer)
    @action(detail=True, methods=["post"], url_path="reveal-secret")
    def reveal_secret(self, request: Request, pk: str) -> Response:
        """Reveal a secret of a connection.

        API keys cannot reveal secrets. Users must have entered their password in the last 15
        minutes, and the act is audited.
        """
        require_recent_user_auth(request._request)  # noqa: SLF001
        robot = self.get_object()
        wanted = SecretNameSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        name = wanted.validated_data["name"]
        value = connection_secret_reveal(robot, name)
        return Response({"name": name, "value": value}, headers={"Cache-Control": "no-store"})

    @extend_schema(request=LifecycleSerializer, responses=RobotSerializer)
    @action(detail=True, methods=["post"], url_path="change-lifecycle")
    def change_lifecycle(self, request: Request, pk: str) -> Response:
        """Change the lifecycle stage of a robot in service."""
        robot = self.get_object()
        body = LifecycleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        changed = lifecycle.robot_change_lifecycle(robot, **body.validated_data)
        return Response(self.get_serializer(changed).data)

    @extend_schema(request=PurgeSerializer, responses={HTTPStatus.ACCEPTED: None})
    @action(detail=True, methods=["post"])
    def purge(self, request: Request, pk: str) -> Response:
        """Delete a retired robot and all its data.

        For administrators, not for API keys. The deletion can take minutes; then the robot is not
        found. The audit log keeps how much was deleted.
        """
        require_recent_user_auth(request._request)  # noqa: SLF001
        robot = self.get_object()
        body = PurgeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        purge.robot_purge(robot, **body.validated_data)
        return Response(status=HTTPStatus.ACCEPTED)

    @extend_schema(request=None, responses=RobotSerializer)
    @action(detail=True, methods=["post"], url_path="lock-for-maintenance")
    def lock_for_maintenance(self, request: Request, pk: str) -> Response:
        """Lock a robot for maintenance.

        Commands that wait for it are cancelled, and only stop requests reach it until the lock is
        released. Its status is `maintenance`. Needs the permission to work on maintenance tasks.
        """
        robot = maintenance_lock_set(self.get_object(), author_of(self.principal))
        return Response(self.get_serializer(robot).data)

    @extend_schema(request=None, responses=RobotSerializer)
    @action(detail=True, methods=["post"], url_path="release-from-maintenance")
    def release_from_maintenance(self, request: Request, pk: str) -> Response:
        """Release the maintenance lock of a robot.

        Its status is again the one that it reported. Cancelled commands stay cancelled.
        """
        robot = maintenance_lock_release(self.get_object(), author_of(self.principal))
        return Response(self.get_serializer(robot).data)

    @extend_schema(request=None, responses=RobotSerializer)
    @action(detail=True, methods=["post"], url_path="take-control")
    def take_control(self, request: Request, pk: str) -> Response:
        """Begin to control a robot.

        For users. Control lasts for 5 minutes and is extended by motion commands. It is taken from
        another user, whose motion commands that were not handed over are then rejected.
        """
        robot = leases.lease_take_over(self.get_object(), require_user(self.principal))
        return Response(self.get_serializer(robot).data)

    @extend_schema(request=None, responses=RobotSerializer)
    @action(detail=True, methods=["post"], url_path="release-control")
    def release_control(self, request: Request, pk: str) -> Response:
        """Return control of a robot before it expires."""
        robot = leases.lease_release(self.get_object(), require_user(self.principal))
        return Response(self.get_serializer(robot).data)

    @extend_schema(request=None, responses={201: ClaimCodeSerializer})
    @action(detail=True, methods=["post"], url_path="claim-code", url_name="claim-code")
    def create_claim_code(self, request: Request, pk: str) -> Response:
        """Create a claim code, which replaces the robot's previous one.

        For users, for robots without a valid API key. The robot exchanges the code for its key
        within 24 hours.
        """
        require_recent_user_auth(request._request)  # noqa: SLF001
        user = require_user(self.principal)
        row, code = claim_codes.claim_code_create(robot=self.get_object(), created_by=user)
        return Response(
            {"code": code, "expires_at": row.expires_at},
            status=201,
            headers={"Cache-Control": "no-store"},
        )

    @extend_schema(request=None, responses={204: None})
    @create_claim_code.mapping.delete
    def revoke_claim_code(self, request: Request, pk: str) -> Response:
        """Revoke the robot's claim code, if any."""
        require_recent_user_auth(request._request)  # noqa: SLF001
        claim_codes.claim_code_revoke(self.get_object())
        return Response(status=204)

    def perform_destroy(self, instance: Robot) -> None:
        robots.robot_retire(instance)
