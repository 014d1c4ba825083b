"""Channels through the API."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.accounts.choices import Role
from apps.alerts.choices.notifications import MAX_ADDRESSES_PER_CHANNEL, ChannelKind
from apps.alerts.models import NotificationChannel
from apps.alerts.protocols.alertmanager import MAX_SECRET_LENGTH
from apps.alerts.services.notifications.channels import (
    channel_create,
    channel_delete,
    channel_test,
    channel_update,
)
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer
from urfmp.common.api.viewsets import WriteViewSet


@body_example(
    "A webhook",
    {"name": "Ticket system", "kind": "webhook", "url": "https://tickets.example.com/alerts"},
)
class ChannelSerializer(ScopedModelSerializer):
    kind = serializers.ChoiceField(
        ChannelKind.choices, help_text="Way in which the channel sends; cannot be changed."
    )
    roles = serializers.ListField(
        child=serializers.ChoiceField(Role.choices),
        required=False,
        max_length=len(Role),
        help_text="For e-mail and push messages: roles whose active users are notified.",
    )
    addresses = serializers.ListField(
        child=serializers.EmailField(max_length=255),
        required=False,
        max_length=MAX_ADDRESSES_PER_CHANNEL,
        help_text="For e-mail: further addresses. For push messages: those of further users.",
    )
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=50),
        required=False,
        max_length=20,
        help_text="For all but e-mail: private networks that may be reached, if the platform"
        " permits it.",
    )

    auth_secret = serializers.CharField(
        required=False,
        write_only=True,
        trim_whitespace=False,
        max_length=MAX_SECRET_LENGTH,
        help_text="For Alertmanager: password or token. It is encrypted and never returned.",
    )

    class Meta:
        model = NotificationChannel
        fields = (
            "id", "name", "kind", "roles", "addresses", "url", "allowed_networks", "auth_scheme",
            "auth_username", "auth_secret", "is_enabled", "disabled_reason", "created_at",
            "updated_at",
        )  # fmt: skip
        read_only_fields = ("id", "disabled_reason", "created_at", "updated_at")
        extra_kwargs = {
            "url": {
                "help_text": "For a webhook: URL that requests are sent to. For Alertmanager: its"
                " address without `/api/v2/alerts`."
            },
            "auth_scheme": {
                "help_text": "For Alertmanager: how requests authenticate; empty for not at all."
            },
            "auth_username": {"help_text": "For Alertmanager with `basic`."},
            "disabled_reason": {"help_text": "Why the platform disabled the channel."},
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is not None and "kind" in attrs:
            msg = "This field cannot be changed; create another channel."
            raise serializers.ValidationError({"kind": msg})
        return attrs


class ChannelTestSerializer(serializers.Serializer[Any]):
    deliveries = serializers.ListField(
        child=serializers.UUIDField(), help_text="Ids of the test deliveries."
    )


class ChannelFilterSet(django_filters.FilterSet):
    kind = django_filters.ChoiceFilter(choices=ChannelKind.choices)
    is_enabled = BooleanFilter()


class ChannelViewSet(ETagMixin, IdempotentCreateMixin, mixins.DestroyModelMixin, WriteViewSet):
    """Channels that notifications are sent to."""

    model = NotificationChannel
    serializer_class = ChannelSerializer
    filterset_class = ChannelFilterSet
    ordering = "name"
    ordering_fields = ("name", "created_at")
    permission_actions = {"test": "change"}
    step_up_actions = frozenset({"create", "partial_update"})

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = channel_create(
            organization_id=self.principal.organization_id, **serializer.validated_data
        )

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = channel_update(serializer.instance, **serializer.validated_data)

    def perform_destroy(self, instance: NotificationChannel) -> None:
        channel_delete(instance)

    @extend_schema(request=None, responses=ChannelTestSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send a test through a channel."""
        deliveries = channel_test(self.get_object())
        return Response({"deliveries": [str(delivery.pk) for delivery in deliveries]})
