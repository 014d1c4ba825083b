"""Invitations in the API: create, resend, revoke, accept."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.accounts.auth.requests import request_actor
from apps.accounts.choices import Role
from apps.accounts.models import Invitation, User
from apps.accounts.permissions.grants import check_can_grant, check_can_manage
from apps.accounts.permissions.roles import PERMISSIONS
from apps.accounts.services import invitations
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer
from urfmp.common.api.viewsets import PrincipalView, ReadViewSet
from urfmp.common.security.password_validators import MAX_LENGTH


@body_example("A technician", {"email": "kim@plant.example", "role": "technician"})
class InvitationSerializer(ScopedModelSerializer):
    permissions = serializers.ListField(
        child=serializers.ChoiceField(sorted(PERMISSIONS)),
        required=False,
        help_text="Permissions in addition to the role's.",
    )
    is_expired = serializers.BooleanField(read_only=True)

    class Meta:
        model = Invitation
        fields = (
            "id",
            "email",
            "role",
            "permissions",
            "invited_by",
            "invited_by_key",
            "is_expired",
            "expires_at",
            "created_at",
        )
        read_only_fields = ("id", "invited_by", "invited_by_key", "expires_at", "created_at")
        extra_kwargs = {
            "invited_by": {
                "help_text": "User who sent the invitation; platform staff if not in `users`. Null"
                " for an API key."
            }
        }
        validators: tuple[Any, ...] = ()  # the service checks uniqueness


class InvitationFilterSet(django_filters.FilterSet):
    email = django_filters.CharFilter(lookup_expr="icontains")
    role = django_filters.ChoiceFilter(choices=Role.choices)


class InvitationViewSet(IdempotentCreateMixin, mixins.DestroyModelMixin, ReadViewSet):
    """Invitations; deleting one revokes it."""

    model = Invitation
    serializer_class = InvitationSerializer
    filterset_class = InvitationFilterSet
    summaries = {
        "create": "Invite a user",
        "destroy": "Revoke an invitation",
        "resend": "Send an invitation again",
    }
    ordering_fields = ("created_at", "email", "expires_at")
    permission_actions = {"resend": "change"}
    step_up_actions = frozenset({"create", "resend"})

    def perform_create(self, serializer: Any) -> None:
        fields = dict(serializer.validated_data)
        check_can_grant(self.principal, invitations.grants_from_fields(fields))
        serializer.instance = invitations.invitation_create(
            organization_id=self.principal.organization_id, **self._inviter(), **fields
        )

    def _inviter(self) -> dict[str, Any]:
        if isinstance(self.principal, User):
            return {"invited_by": self.principal}
        return {"invited_by_key": self.principal.pk}

    def perform_destroy(self, instance: Invitation) -> None:
        invitations.invitation_revoke(instance)

    @extend_schema(request=None, responses=InvitationSerializer)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: str) -> Response:
        """Send the invitation again, valid for another seven days."""
        invitation = self.get_object()
        check_can_manage(self.principal, invitation)
        again = invitations.invitation_resend(invitation, **self._inviter())
        return Response(self.get_serializer(again).data)


class InvitationAcceptSerializer(StrictSerializer):
    token = serializers.CharField(max_length=200)
    password = serializers.CharField(
        max_length=MAX_LENGTH, trim_whitespace=False, style={"input_type": "password"}
    )
    first_name = serializers.CharField(max_length=100, required=False, allow_blank=True)
    last_name = serializers.CharField(max_length=100, required=False, allow_blank=True)


class InvitationAcceptView(PrincipalView):
    """Accept an invitation."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        request=InvitationAcceptSerializer,
        responses={204: None, 409: OpenApiResponse()},
        summary="Accept an invitation",
        operation_id="auth_invitation_accept",
        description="Join an organization with the token of an invitation, and set a password.",
    )
    def post(self, request: Request) -> Response:
        form = InvitationAcceptSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        actor = request_actor(request._request)  # noqa: SLF001
        invitations.invitation_accept(actor, **form.validated_data)
        return Response(status=204)
