"""Base views: every row passes through `restrict`."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import mixins, viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from urfmp.common.api.filters import reject_empty_params, reject_unknown_params
from urfmp.common.api.permissions import permission_action
from urfmp.common.api.serializers import field_names
from urfmp.common.security.recent_auth import require_recent_auth

_READS = frozenset({"GET", "HEAD"})


class PrincipalView(APIView):
    """A view that authorizes its principal and rejects unknown query parameters.

    Attributes:
        step_up_actions: Actions, by DRF's names, that need a password entered in the last 15
            minutes.
        parameters_class: Serializer of the query parameters.
    """

    step_up_actions: ClassVar[frozenset[str]] = frozenset()
    parameters_class: ClassVar[type[Serializer[Any]] | None] = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Reject unknown parameters, after the permission check.

        Raises:
            ValidationError: A query parameter is unknown.
            StepUpRequiredError: The user must enter their password again.
        """
        super().initial(request, *args, **kwargs)
        if getattr(self, "action", None) in self.step_up_actions:
            require_recent_auth(request._request)  # noqa: SLF001
        method = (request.method or "").lower()
        is_allowed = method in self.http_method_names and hasattr(self, method)  # else 405
        if is_allowed and (known := self.known_parameters()) is not None:
            reject_unknown_params(request, known)
            reject_empty_params(
                request, self.parameters_class().fields if self.parameters_class else ()
            )

    def known_parameters(self) -> frozenset[str] | None:
        """Return the known query parameters; None if a filter backend checks them."""
        return frozenset(self.parameters_class().fields if self.parameters_class else ())

    def documented_headers(self, method: str) -> list[OpenApiParameter]:
        """Return the request and response headers for the OpenAPI document."""
        return []

    @property
    def principal(self) -> Any:
        """The calling user or API key.

        Untyped: Django's types have no organization or robot.
        """
        return self.request.user


class ScopedViewSet(PrincipalView, viewsets.GenericViewSet):  # type: ignore[type-arg]
    """Rows of one tenant-owned model.

    Attributes:
        model: Model of the rows.
        select: Relations to load in the same query.
        ordering: Default order: a field with an optional minus.
        ordering_fields: Fields that `?ordering` accepts.
        permission_actions: Permission verbs of the view's own methods.
        summaries: Summaries in the OpenAPI document, by action; the others name the model.
    """

    model: ClassVar[type[Model]]
    select: ClassVar[tuple[str, ...]] = ()
    ordering: ClassVar[str] = "-created_at"
    ordering_fields: ClassVar[tuple[str, ...]] = ("created_at",)
    permission_actions: ClassVar[dict[str, str]] = {}
    summaries: ClassVar[dict[str, str]] = {}
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Reject unknown names in `?fields`, whether or not rows are found.

        Raises:
            ValidationError: A field does not exist.
        """
        super().initial(request, *args, **kwargs)
        if wanted := field_names(request.query_params.get("fields", "")):
            known: Any = self.get_serializer_class()
            if unknown := sorted(wanted - set(known.Meta.fields)):
                raise ValidationError({"fields": f"Unknown field: {', '.join(unknown)}."})

    def known_parameters(self) -> frozenset[str] | None:
        """Return None for lists, whose filters check; one row also accepts `?fields`."""
        if self.action == "list":
            return None
        own = super().known_parameters() or frozenset()
        return own | ({"fields"} if self.request.method in _READS else set())

    def get_queryset(self) -> QuerySet[Any]:
        """Return the rows that the principal may access.

        Foreign rows count as missing.
        """
        rows = self.model._default_manager.all()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        action = permission_action(self.request, self) or "view"
        visible: QuerySet[Any] = rows.restrict(self.principal, action)  # type: ignore[attr-defined]
        return visible.select_related(*self.select) if self.select else visible

    def current_ordering(self, request: Request) -> str:
        """Return the requested order.

        Raises:
            ValidationError: The list does not support the order.
        """
        wanted = request.query_params.get("ordering", self.ordering)
        if wanted != self.ordering and wanted.removeprefix("-") not in self.ordering_fields:
            allowed = ", ".join(self.ordering_fields)
            raise ValidationError(
                {"ordering": f"Order by one of {allowed}, with an optional minus."}
            )
        return wanted


class ReadViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet):
    """Rows that this API reads; other code writes them."""


class WriteViewSet(mixins.CreateModelMixin, mixins.UpdateModelMixin, ReadViewSet):
    """Rows that this API reads, creates and updates; `perform_*` calls a service."""
